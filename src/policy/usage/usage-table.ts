// The data about each identity: a table of fixed size, which replaces the least recently seen identity when
// it is full.

import { createHash, randomBytes } from 'node:crypto'

/** The number of rows in which an identity can be stored. */
const ways = 8
const bytesPerIdentity = 52

/** The columns of the table; a row is one identity. */
export class UsageTable {
  readonly #sets: number
  /** A random key: an attacker cannot choose identities that collide. */
  readonly #key = randomBytes(16)
  readonly #tags: BigUint64Array
  /** The time at which the identity was last seen, in milliseconds; 0: the row is free. */
  readonly seenMs: Float64Array
  /** The certificates of about the last hour, each weighted by e^(−age / 1 h). */
  readonly rate: Float32Array
  readonly total: Uint32Array
  /** One bit for each hour of the day (UTC) in which it was seen. */
  readonly hours: Uint32Array
  /** A linear counter of sources: 32 bits. */
  readonly sources: Uint32Array
  readonly lastKey: Uint32Array
  readonly keyUses: Uint32Array
  readonly score: Float32Array
  readonly alertedMs: Float64Array

  constructor(maxIdentities: number) {
    this.#sets = Math.max(1, Math.ceil(maxIdentities / ways))
    const rows = this.#sets * ways
    this.#tags = new BigUint64Array(rows)
    this.seenMs = new Float64Array(rows)
    this.rate = new Float32Array(rows)
    this.total = new Uint32Array(rows)
    this.hours = new Uint32Array(rows)
    this.sources = new Uint32Array(rows)
    this.lastKey = new Uint32Array(rows)
    this.keyUses = new Uint32Array(rows)
    this.score = new Float32Array(rows)
    this.alertedMs = new Float64Array(rows)
  }

  /** The memory of all rows, in bytes. */
  get bytes(): number {
    return this.#sets * ways * bytesPerIdentity
  }

  /** A 64-bit digest of a text. */
  digest(text: string): bigint {
    return createHash('sha256').update(this.#key).update(text).digest().readBigUInt64LE()
  }

  /** The row of an identity, or -1. */
  find(digest: bigint): number {
    const start = this.#start(digest)
    for (let row = start; row < start + ways; row++)
      if (this.#tags[row] === digest && this.seenMs[row] !== 0) return row
    return -1
  }

  /** The row of an identity; creates one if there is none. */
  take(digest: bigint): number {
    const known = this.find(digest)
    if (known >= 0) return known
    const start = this.#start(digest)
    let row = start
    for (let other = start + 1; other < start + ways; other++)
      if ((this.seenMs[other] as number) < (this.seenMs[row] as number)) row = other
    this.#tags[row] = digest
    for (const column of [this.rate, this.total, this.hours, this.sources, this.lastKey, this.keyUses])
      column[row] = 0
    this.seenMs[row] = this.score[row] = this.alertedMs[row] = 0
    return row
  }

  #start(digest: bigint): number {
    return Number(digest % BigInt(this.#sets)) * ways
  }
}
