// Token buckets for many keys, in bounded memory.

/** What one rule allows. */
export interface RateLimit {
  /** As many at once, and as many in each window. */
  readonly count: number
  readonly windowSeconds: number
}

interface Bucket {
  tokens: number
  atMs: number
}

/**
 * A bucket that was not touched for a whole window is full, so it can be forgotten: two generations of one
 * window each hold every bucket that is not full. Past `maxKeys` buckets in one window a key without a bucket
 * is refused, because an unknown bucket may be an empty one.
 */
export class RateLimiter {
  readonly #count: number
  readonly #windowMs: number
  readonly #maxKeys: number
  #current = new Map<string, Bucket>()
  #previous = new Map<string, Bucket>()
  #generationAtMs = 0

  constructor({ count, windowSeconds }: RateLimit, maxKeys = 1_000_000) {
    this.#count = count
    this.#windowMs = windowSeconds * 1000
    this.#maxKeys = maxKeys
  }

  /**
   * Takes one token at the time `nowMs` of a clock that never goes back.
   *
   * @returns 0, or after how many seconds there is one
   */
  take(key: string, nowMs: number): number {
    this.#turn(nowMs)
    const bucket = this.#bucketOf(key, nowMs)
    if (bucket === undefined) return Math.ceil(this.#windowMs / 1000)
    const perMs = this.#count / this.#windowMs
    bucket.tokens = Math.min(this.#count, bucket.tokens + (nowMs - bucket.atMs) * perMs)
    bucket.atMs = nowMs
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1
      return 0
    }
    return Math.max(1, Math.ceil((1 - bucket.tokens) / perMs / 1000))
  }

  /** Gives a token back, for a request that another limit refused. */
  giveBack(key: string): void {
    const bucket = this.#current.get(key)
    if (bucket !== undefined) bucket.tokens = Math.min(this.#count, bucket.tokens + 1)
  }

  /** How many buckets there are, for metrics. */
  get size(): number {
    return this.#current.size + this.#previous.size
  }

  #turn(nowMs: number): void {
    const age = nowMs - this.#generationAtMs
    if (age < this.#windowMs) return
    this.#previous = age < 2 * this.#windowMs ? this.#current : new Map<string, Bucket>()
    this.#current = new Map()
    this.#generationAtMs = nowMs
  }

  #bucketOf(key: string, nowMs: number): Bucket | undefined {
    const known = this.#current.get(key)
    if (known !== undefined) return known
    if (this.#current.size >= this.#maxKeys) return undefined
    const moved = this.#previous.get(key) ?? { tokens: this.#count, atMs: nowMs }
    this.#previous.delete(key)
    this.#current.set(key, moved)
    return moved
  }
}
