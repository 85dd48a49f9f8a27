// Timers for many renewals, run when either the wall clock or the monotonic clock reaches their time.

import type { Clock } from '../../runtime/index.ts'

interface Entry {
  readonly dueWallMs: number
  readonly dueMonotonicMs: number
  readonly run: () => void
  /** The monotonic time at which it runs, as currently known. */
  dueMs: number
  cancelled: boolean
}

/**
 * Timers for many renewals on one platform timer.
 *
 * The monotonic clock decides, so that setting the wall clock back delays nothing. While a machine is
 * suspended, the monotonic clock stops and the wall clock does not: when the two differ, every entry is
 * rescheduled, and entries that became due meanwhile run first.
 */
export class RenewalQueue {
  readonly #clock: Clock
  /** A binary heap by `dueMs`. */
  #heap: Entry[] = []
  #offsetMs: number
  #stop: (() => void) | undefined
  #armedMs = Infinity
  #cancelled = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offsetMs = clock.now() - clock.monotonic()
  }

  /** The number of waiting entries. */
  get size(): number {
    return this.#heap.filter(({ cancelled }) => !cancelled).length
  }

  /** Runs `run` once at `dueWallMs` (milliseconds since the epoch). Returns a function that cancels it. */
  add(dueWallMs: number, run: () => void): () => void {
    const now = this.#clock.monotonic()
    const dueMonotonicMs = now + Math.max(0, dueWallMs - this.#clock.now())
    const entry: Entry = { dueWallMs, dueMonotonicMs, run, dueMs: dueMonotonicMs, cancelled: false }
    this.#push(entry)
    this.#arm()
    return () => {
      if (entry.cancelled) return
      entry.cancelled = true
      this.#cancelled++
      // Identities that come and go must not leave their timers for half of a validity each.
      if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#rebuild()
    }
  }

  /** Cancels every entry. */
  close(): void {
    this.#heap = []
    this.#stop?.()
    this.#stop = undefined
    this.#armedMs = Infinity
  }

  #arm(): void {
    const first = this.#heap[0]
    if (first === undefined) return
    const now = this.#clock.monotonic()
    // At least once a minute, to detect a suspension or a changed clock.
    const wakeMs = Math.min(first.dueMs, now + tickMs)
    if (wakeMs >= this.#armedMs) return
    this.#stop?.()
    this.#armedMs = wakeMs
    this.#stop = this.#clock.schedule(() => {
      this.#armedMs = Infinity
      this.#wake()
    }, wakeMs - now)
  }

  #wake(): void {
    this.#noticeDrift()
    const now = this.#clock.monotonic()
    const due: Entry[] = []
    while (this.#heap[0] !== undefined && this.#heap[0].dueMs <= now) due.push(this.#pop())
    this.#cancelled -= due.filter(({ cancelled }) => cancelled).length
    this.#arm()
    // An entry may cancel another one.
    for (const entry of due)
      if (!entry.cancelled) {
        // It has run: cancelling it later changes nothing.
        entry.cancelled = true
        entry.run()
      }
  }

  #noticeDrift(): void {
    const offsetMs = this.#clock.now() - this.#clock.monotonic()
    if (Math.abs(offsetMs - this.#offsetMs) < driftMs) return
    this.#offsetMs = offsetMs
    for (const entry of this.#heap) entry.dueMs = Math.min(entry.dueMonotonicMs, entry.dueWallMs - offsetMs)
    this.#rebuild()
  }

  #rebuild(): void {
    this.#cancelled = 0
    // A sorted array is a heap.
    this.#heap = this.#heap
      .filter(({ cancelled }) => !cancelled)
      .sort((left, right) => left.dueMs - right.dueMs)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as Entry
      if (above.dueMs <= entry.dueMs) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  #pop(): Entry {
    const heap = this.#heap
    const first = heap[0] as Entry
    const last = heap.pop() as Entry
    if (heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && (heap[child + 1] as Entry).dueMs < (heap[child] as Entry).dueMs) child++
      const below = heap[child] as Entry
      if (below.dueMs >= last.dueMs) break
      heap[at] = below
      at = child
    }
    heap[at] = last
    return first
  }
}

const tickMs = 60_000
/** The two clocks are not read at the same moment: a smaller difference is not drift. */
const driftMs = 1_000
