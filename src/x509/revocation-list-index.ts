// Serial number → entry, by open addressing over the bytes of the list: 5 to 11 octets an entry, and no object.

import { randomBytes } from 'node:crypto'
import { serialOffset } from './revocation-list-entries.ts'
import type { EntryScan } from './revocation-list-entries.ts'
import { DerReader } from '../der/index.ts'

/** A hash table of offsets. Its hash is seeded, so that nobody can write a list whose serial numbers all collide. */
export class RevocationListIndex {
  readonly #bytes: Uint8Array
  /** Offset of an entry, plus one; 0 = free. */
  readonly #slots: Uint32Array
  readonly #mask: number
  readonly #seed: number

  constructor(bytes: Uint8Array, scan: EntryScan) {
    this.#bytes = bytes
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, scan.count * 1.34)))
    this.#slots = new Uint32Array(capacity)
    this.#mask = capacity - 1
    this.#seed = randomBytes(4).readUInt32LE()
    const reader = new DerReader(bytes, scan.start, scan.end)
    while (!reader.done) {
      reader.next()
      this.#insert(reader.start)
    }
  }

  /** Octets beyond the list itself. */
  get byteLength(): number {
    return this.#slots.byteLength
  }

  /** The offset of the first entry with this serial number that `accept` takes; -1 where there is none. */
  find(serial: Uint8Array, accept?: (offset: number) => boolean): number {
    const bytes = this.#bytes
    for (let slot = this.#hash(serial, 0, serial.length); ; slot = (slot + 1) & this.#mask) {
      const stored = this.#slots[slot] as number
      if (stored === 0) return -1
      const offset = stored - 1
      const at = serialOffset(bytes, offset)
      if (bytes[at - 1] === serial.length && equalAt(bytes, at, serial) && (accept === undefined || accept(offset))) return offset
    }
  }

  #insert(offset: number): void {
    const at = serialOffset(this.#bytes, offset)
    let slot = this.#hash(this.#bytes, at, at + (this.#bytes[at - 1] as number))
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = offset + 1
  }

  /** Multiply and rotate over the octets, then mix (the finaliser of MurmurHash3). */
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

function equalAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false
  return true
}
