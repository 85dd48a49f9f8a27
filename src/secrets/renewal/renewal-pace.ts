// How fast the sources of one process renew: those that an outage of the CA has held up do not come back all
// at once.

import { randomInt } from 'node:crypto'

/**
 * Gives renewals that are due a time to begin, so that in all there are at most twice as many as on average.
 * What an outage has held up is then made up for in as long as the outage took.
 */
export class RenewalPace {
  /** How often each holder renews, in milliseconds. */
  readonly #intervals = new Map<object, number>()
  #perMs = 0
  /** When the next renewal would begin without any allowance (GCRA), on the monotonic clock. */
  #nextMs = -Infinity

  /** From now on `holder` renews once in `intervalMs`, on average. */
  add(holder: object, intervalMs: number): void {
    this.remove(holder)
    const interval = Math.max(1, intervalMs)
    this.#intervals.set(holder, interval)
    this.#perMs += 1 / interval
  }

  remove(holder: object): void {
    const interval = this.#intervals.get(holder)
    if (interval === undefined) return
    this.#intervals.delete(holder)
    // Sums of fractions drift, so the rate must not fall below 0.
    this.#perMs = this.#intervals.size === 0 ? 0 : Math.max(0, this.#perMs - 1 / interval)
  }

  /**
   * How long a renewal that is due at `nowMs` of the monotonic clock waits. Where its turn would come after
   * `latestMs` from now, it does not wait for it: its time is drawn from what is left, or is now.
   */
  take(nowMs: number, latestMs: number): number {
    const spacingMs = Math.min(maxSpacingMs, 1 / (maxRatio * this.#perMs))
    const turnMs = Math.max(0, this.#nextMs - allowance * spacingMs - nowMs)
    if (turnMs > latestMs) return Math.max(0, latestMs) * (randomInt(1 << 30) / (1 << 30))
    this.#nextMs = Math.max(this.#nextMs, nowMs) + spacingMs
    return turnMs
  }
}

/** Maximum rate relative to the average. */
const maxRatio = 2
/** As many as this at once can be chance, and are not a spike. */
const allowance = 8
/** Few identities do not wait for hours of each other. */
const maxSpacingMs = 10_000
