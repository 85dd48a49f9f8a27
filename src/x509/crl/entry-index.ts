// An index from serial number to CRL entry, by open addressing over the bytes of the list: 5 to 11 octets per
// entry, and no objects.

import { randomBytes } from 'node:crypto'
import { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import type { Turns } from '../../internal/turns/turns.ts'
import { serialOffset, serialValue, weightInPlace } from './entry-octets.ts'
import type { SerialRange } from './entry-octets.ts'
import type { EntryScan } from './entry-scan.ts'

/**
 * A hash table of offsets. The hash is seeded, so that an attacker cannot create a list whose serial numbers
 * all collide.
 */
export class CrlIndex {
  readonly #bytes: Uint8Array
  /** Offset of an entry, plus one; 0 = free. */
  readonly #slots: Uint32Array
  readonly #mask: number
  readonly #seed: number
  /**
   * Whether entries of one serial number may have several issuers; otherwise only the first entries and the
   * one with the highest weight are kept.
   */
  readonly #byIssuer: boolean

  /** The entries that are not inserted yet. */
  readonly #rest: DerReader
  /** Whether every serial number is canonical, so that it can be compared without a check of its form. */
  readonly #isCanonical: boolean

  /** Creates an empty index; `insertSome` inserts the entries. */
  private constructor(bytes: Uint8Array, scan: EntryScan) {
    this.#bytes = bytes
    this.#byIssuer = scan.issuerOffsets.length > 0
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, scan.count * 1.34)))
    this.#slots = new Uint32Array(capacity)
    this.#mask = capacity - 1
    this.#seed = randomBytes(4).readUInt32LE()
    this.#isCanonical = scan.faults.length === 0
    this.#rest = new DerReader(bytes, scan.start, scan.end)
  }

  /** @throws ERR_LIMIT_EXCEEDED more than 1,024 entries of one serial number, in a list that names issuers */
  static of(bytes: Uint8Array, scan: EntryScan): CrlIndex {
    const index = new CrlIndex(bytes, scan)
    index.#insertSome(Infinity)
    return index
  }

  /** Like `of`, some thousand entries at a time. @throws as `of` */
  static async inTurns(bytes: Uint8Array, scan: EntryScan, turns: Turns): Promise<CrlIndex> {
    const index = new CrlIndex(bytes, scan)
    while (!index.#insertSome(entriesATurn)) await turns.give()
    return index
  }

  /** Inserts up to `count` entries; returns whether none are left. */
  #insertSome(count: number): boolean {
    const reader = this.#rest
    for (let inserted = 0; inserted < count && !reader.done; inserted++) {
      reader.next()
      if (this.#isCanonical || serialValue(this.#bytes, reader.contentStart, reader.contentEnd) !== undefined)
        this.#insert(reader.start)
    }
    return reader.done
  }

  /** The size in octets, without the list itself. */
  get byteLength(): number {
    return this.#slots.byteLength
  }

  /** The offset of the first entry with this serial number that `accept` accepts; -1 if there is none. */
  find(serial: Uint8Array, accept?: (offset: number) => boolean): number {
    return this.#find(serial, 0, serial.length, accept)
  }

  /** Like `find`, for a serial number in place, between two offsets of any bytes. */
  findBetween(wanted: Uint8Array, start: number, end: number): number {
    return this.#find(wanted, start, end)
  }

  #find(wanted: Uint8Array, start: number, end: number, accept?: (offset: number) => boolean): number {
    for (let slot = this.#hash(wanted, start, end); ; slot = (slot + 1) & this.#mask) {
      const stored = this.#slots[slot] as number
      if (stored === 0) return -1
      const offset = stored - 1
      if (this.#isSerialAt(offset, wanted, start, end) && (accept === undefined || accept(offset)))
        return offset
    }
  }

  #insert(offset: number): void {
    const { start, end } = this.#serialAt(offset)
    let slot = this.#hash(this.#bytes, start, end)
    let same = 0
    for (let steps = 0; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      // Ordinary runs are short. No seed separates equal serial numbers: if one is listed a million times,
      // each lookup would pass all of these entries.
      if (++steps <= longRun) continue
      if (!this.#isSerialAt((this.#slots[slot] as number) - 1, this.#bytes, start, end)) continue
      if (!this.#byIssuer) {
        const stored = (this.#slots[slot] as number) - 1
        if (weightInPlace(this.#bytes, offset) > weightInPlace(this.#bytes, stored))
          this.#slots[slot] = offset + 1
        return
      }
      if (++same > maxSame)
        throw new PkiError('ERR_LIMIT_EXCEEDED', `more than ${maxSame} CRL entries have one serial number`)
    }
    this.#slots[slot] = offset + 1
  }

  #isSerialAt(offset: number, wanted: Uint8Array, start: number, end: number): boolean {
    const bytes = this.#bytes
    const found = this.#serialAt(offset)
    if (found.end - found.start !== end - start) return false
    for (let at = start, other = found.start; at < end; at++, other++)
      if (bytes[other] !== wanted[at]) return false
    return true
  }

  /** The serial number of an entry that is in the index, by its value. */
  #serialAt(offset: number): SerialRange {
    const start = serialOffset(this.#bytes, offset)
    if (this.#isCanonical) return { start, end: start + (this.#bytes[start - 1] as number) }
    return serialValue(this.#bytes, start - 2, this.#bytes.length) as SerialRange
  }

  /** Multiplies and rotates over the octets, then mixes (the finaliser of MurmurHash3). */
  #hash(bytes: Uint8Array, start: number, end: number): number {
    let hash = this.#seed
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ (bytes[at] as number), 0x5bd1e995)
      hash ^= hash >>> 15
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    return (hash ^ (hash >>> 13)) & this.#mask
  }
}

/** The length of a run of occupied slots above which its cause is checked. */
const longRun = 64
const maxSame = 1024
const entriesATurn = 2048
