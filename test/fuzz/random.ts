// A small seeded generator: a finding is repeated by its seed.

/** xorshift32. */
export class SeededRandom {
  #state: number

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1
  }

  /** An integer from 0 to `below` - 1. */
  integer(below: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state >>> 0
    return this.#state % below
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(list.length)]!
  }
}
