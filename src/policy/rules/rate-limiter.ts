// Token buckets for many keys, in bounded memory.

/** The limit of one rule. */
export interface RateLimit {
  /** The maximum at once, and the number in each window. */
  readonly count: number
  readonly windowSeconds: number
}

/**
 * A token bucket for each key. A bucket that was not used for a whole window is full, so it can be removed:
 * two generations of one window each contain every bucket that is not full. Above `maxKeys` buckets in one
 * window, a key without a bucket is refused, because its bucket may have been an empty one.
 */
export class RateLimiter {
  readonly #count: number
  readonly #windowMs: number
  readonly #maxKeys: number
  #current = new Generation()
  #previous = new Generation()
  #generationAtMs = 0

  constructor({ count, windowSeconds }: RateLimit, maxKeys = 1_000_000) {
    this.#count = count
    this.#windowMs = windowSeconds * 1000
    this.#maxKeys = maxKeys
  }

  /**
   * Takes one token at the time `nowMs` of a clock that never goes back.
   *
   * @returns 0, or the seconds until a token is available
   */
  take(key: string, nowMs: number): number {
    this.#turn(nowMs)
    const at = this.#bucketOf(key, nowMs)
    if (at === undefined) return Math.ceil(this.#windowMs / 1000)
    const { cells } = this.#current
    const perMs = this.#count / this.#windowMs
    const tokens = Math.min(this.#count, (cells[at] as number) + (nowMs - (cells[at + 1] as number)) * perMs)
    const allowed = tokens >= 1
    cells[at] = allowed ? tokens - 1 : tokens
    cells[at + 1] = nowMs
    return allowed ? 0 : Math.ceil((1 - tokens) / perMs / 1000)
  }

  /** Gives a token back, for a request that another limit refused. */
  giveBack(key: string): void {
    const { places, cells } = this.#current
    const at = places.get(key)
    // `take` limits the number of tokens.
    if (at !== undefined) cells[at] = (cells[at] as number) + 1
  }

  /** The number of buckets, for metrics. */
  get size(): number {
    return this.#current.places.size + this.#previous.places.size
  }

  #turn(nowMs: number): void {
    const age = nowMs - this.#generationAtMs
    if (age < this.#windowMs) return
    this.#previous = age < 2 * this.#windowMs ? this.#current : new Generation()
    this.#current = new Generation()
    this.#generationAtMs = nowMs
  }

  /** The index of the bucket of the key in the cells of this generation. */
  #bucketOf(key: string, nowMs: number): number | undefined {
    const known = this.#current.places.get(key)
    if (known !== undefined) return known
    if (this.#current.places.size >= this.#maxKeys) return undefined
    const { places, cells } = this.#previous
    const moved = places.get(key)
    places.delete(key)
    return moved === undefined
      ? this.#current.add(key, this.#count, nowMs)
      : this.#current.add(key, cells[moved] as number, cells[moved + 1] as number)
  }
}

/**
 * The buckets of one window: numbers in one array, because separate objects would cause a cache miss for each
 * number.
 */
class Generation {
  /** For each key, the index of the first of its two cells. */
  readonly places = new Map<string, number>()
  /** For each bucket the number of tokens, and the time in milliseconds at which it had them. */
  cells = new Float64Array(64)

  add(key: string, tokens: number, atMs: number): number {
    const at = 2 * this.places.size
    if (at === this.cells.length) {
      const larger = new Float64Array(2 * at)
      larger.set(this.cells)
      this.cells = larger
    }
    this.cells[at] = tokens
    this.cells[at + 1] = atMs
    this.places.set(key, at)
    return at
  }
}
