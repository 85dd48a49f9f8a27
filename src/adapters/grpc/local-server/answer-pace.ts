// Limits the rate of responses on one stream: a few responses at once, then one per interval.

import type { Clock } from '../../../runtime/index.ts'

/** Limits the rate of responses to a client that subscribes repeatedly. */
export class AnswerPace {
  readonly #clock: Clock
  readonly #intervalMs: number
  #tokens = burst
  #atMs: number

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#atMs = clock.monotonic()
  }

  /** Milliseconds until the next response may be sent. */
  waitMs(): number {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#atMs) / this.#intervalMs)
    this.#atMs = now
    return this.#tokens < 1 ? Math.ceil((1 - this.#tokens) * this.#intervalMs) : 0
  }

  /** Records that a response was sent. */
  spend(): void {
    this.#tokens--
  }
}

const burst = 8
