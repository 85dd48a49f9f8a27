// Limits the number of requests in progress.

import { PkiError } from '../../../errors/index.ts'

/**
 * A counter of requests in progress with a maximum. Above it, a call fails with an error and a retry delay,
 * instead of a longer queue.
 */
export class InFlightLimit {
  readonly limit: number
  #count = 0

  /** `limit` was checked to be a number of at least 0: comparisons with NaN are false. */
  constructor(limit: number) {
    this.limit = limit
  }

  get count(): number {
    return this.#count
  }

  /** @throws ERR_OVERLOADED at the limit */
  enter(): void {
    if (this.#count >= this.limit)
      throw new PkiError('ERR_OVERLOADED', `${this.limit} requests are already in progress`)
    this.#count++
  }

  leave(): void {
    this.#count--
  }
}
