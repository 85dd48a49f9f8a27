// How many requests are worked on at once: past the limit the answer is an error with a time to come back, not a longer queue.

import { PkiError } from '../../errors/index.ts'

/** A counter with a ceiling. */
export class InFlightLimit {
  readonly limit: number
  #count = 0

  /** `limit` was checked to be a number, from 0 on: NaN is above nothing. */
  constructor(limit: number) {
    this.limit = limit
  }

  get count(): number {
    return this.#count
  }

  /** @throws ERR_OVERLOADED at the limit */
  enter(): void {
    if (this.#count >= this.limit)
      throw new PkiError('ERR_OVERLOADED', `${this.limit} requests are in flight already`)
    this.#count++
  }

  leave(): void {
    this.#count--
  }
}
