// A clock that tests advance explicitly.

import type { Clock } from '../runtime/index.ts'

/** A `Clock` for tests. */
export class FakeClock implements Clock {
  #now: number
  #monotonic = 0
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()

  constructor(start: Date = new Date('2026-01-01T00:00:00Z')) {
    this.#now = start.getTime()
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  schedule(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.#monotonic + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** The number of pending timers. */
  get pending(): number {
    return this.#timers.size
  }

  /** Advances the time, and runs due timers in their order. */
  advance(ms: number): void {
    const end = this.#monotonic + ms
    for (;;) {
      const [due] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (due === undefined) break
      this.#timers.delete(due)
      this.#move(due.at - this.#monotonic)
      due.callback()
    }
    this.#move(end - this.#monotonic)
  }

  /** Sets only the wall clock, as an administrator or a suspended machine does. */
  setWallClock(time: Date): void {
    this.#now = time.getTime()
  }

  #move(ms: number): void {
    this.#now += ms
    this.#monotonic += ms
  }
}
