// Limits the rate of renewals of one process: after an outage of the CA, the delayed renewals do not all
// happen at once.

import { randomInt } from 'node:crypto'

/**
 * Delays due renewals, so that their rate is at most twice the average. The renewals that an outage has
 * delayed are then done within the duration of the outage.
 */
export class RenewalPace {
  /** How often each holder renews, in milliseconds. */
  readonly #intervals = new Map<object, number>()
  #perMs = 0
  /** The theoretical start of the next renewal, without the allowance (GCRA), on the monotonic clock. */
  #nextMs = -Infinity

  /** Records that `holder` renews once in `intervalMs`, on average. */
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
   * The delay, in milliseconds, of a renewal that is due at `nowMs` of the monotonic clock. If its turn would
   * come later than `latestMs` from now, the delay is a random time up to `latestMs` instead, or 0 if that
   * has passed.
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
/** The number of renewals that may happen at once: so many can coincide by chance. */
const allowance = 8
/** The maximum spacing, so that the renewals of few identities do not wait hours for each other. */
const maxSpacingMs = 10_000
