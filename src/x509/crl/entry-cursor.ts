// Iterates over the entries of a CRL in place: a list of a million entries has no object per entry.

import { DerReader, readTime } from '../../der/index.ts'
import { extensionOids as oids } from '../extensions/extension.ts'
import { crlReasons, parseReasonCode } from '../extensions/revocation-extensions.ts'
import type { Tolerance } from '../tolerances.ts'
import { dateEnd, isPlainReason, serialStart, serialValue } from './entry-octets.ts'
import { ifReadable, readEntryExtensions } from './revoked-entry.ts'

/**
 * Iterates over the entries of a list without an object for each: the fields are valid until the next call of
 * `next`.
 *
 * @example
 * ```ts
 * let compromised = 0
 * for (const cursor = list.cursor(); cursor.next();) if (cursor.reasonCode === 1) compromised++
 * ```
 */
export class RevokedEntryCursor {
  /** The list to which the offsets belong. */
  readonly bytes: Uint8Array
  /** The offset of the entry. */
  start = 0
  /** The start and end of the serial number's octets, without padding; equal if it cannot be read. */
  serialStart = 0
  serialEnd = 0
  /** Milliseconds since the epoch; NaN if the date cannot be read. */
  revocationMs = 0
  /** The encoded number; -1 if the entry has no reason, or no readable one. */
  reasonCode = -1
  /** RFC 5280 §5.3.1 defines the extension as not critical. */
  isReasonCritical = false
  readonly #entries: DerReader
  readonly #tolerances: readonly Tolerance[]
  readonly #fields: DerReader

  /** Over scanned entries. */
  constructor(bytes: Uint8Array, start: number, end: number, tolerances: readonly Tolerance[]) {
    this.bytes = bytes
    this.#tolerances = tolerances
    this.#entries = new DerReader(bytes, start, end)
    this.#fields = new DerReader(bytes, start, end)
  }

  /** Moves to the next entry; false if there is none. */
  next(): boolean {
    if (this.#entries.done) return false
    this.#entries.next()
    const { start, contentStart, contentEnd } = this.#entries
    this.start = start
    this.reasonCode = -1
    this.isReasonCritical = false
    const serial = serialStart(this.bytes, contentStart, contentEnd)
    if (serial >= 0) {
      this.serialStart = serial
      this.serialEnd = serial + (this.bytes[serial - 1] as number)
    } else this.#readOddSerial(contentStart, contentEnd)
    const isReadable = this.serialEnd > this.serialStart
    const after = isReadable ? dateEnd(this.bytes, this.serialEnd, contentEnd) : -1
    if (after < 0) this.#readOddEntry(contentStart, contentEnd)
    else {
      this.#fields.offset = this.serialEnd
      this.revocationMs = readTime(this.#fields, 'revocationDate')
      if (after < contentEnd) this.#readReason(after, contentEnd)
    }
    return true
  }

  #readOddSerial(start: number, end: number): void {
    const serial = serialValue(this.bytes, start, end)
    this.serialStart = serial?.start ?? start
    this.serialEnd = serial?.end ?? start
  }

  /** An entry whose serial number or date is invalid; its reason may be valid. */
  #readOddEntry(start: number, end: number): void {
    this.revocationMs = NaN
    ifReadable(() => {
      const fields = new DerReader(this.bytes, start, end)
      fields.next()
      fields.next()
      if (!fields.done) this.#readReason(fields.offset, end)
    })
  }

  #readReason(at: number, end: number): void {
    if (isPlainReason(this.bytes, at, end)) {
      this.reasonCode = this.bytes[end - 1] as number
      return
    }
    const found = readEntryExtensions(new DerReader(this.bytes, at, end), this.#tolerances) ?? []
    for (const { oid, critical, value } of found) {
      if (oid !== oids.reasonCode) continue
      const reason = ifReadable(() => parseReasonCode(value))
      this.reasonCode = reason === undefined ? -1 : crlReasons.indexOf(reason)
      this.isReasonCritical = critical
    }
  }
}
