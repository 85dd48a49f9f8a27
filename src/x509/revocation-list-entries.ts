// The entries of a CRL, read in place: a list of a million has no object per entry. RFC 5280 §5.1.2.6, §5.3.
// Serial number → entry, by open addressing over the bytes of the list: 5 to 11 octets an entry, and no object.

import { randomBytes } from 'node:crypto'
import { checkInteger, DerReader, readTime, tags } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import {
  crlReasons,
  parseCertificateIssuer,
  parseInvalidityDate,
  parseReasonCode,
} from './extensions/revocation-extensions.ts'
import type { CrlReason } from './extensions/revocation-extensions.ts'
import { readExtensions, extensionOids as oids } from './extensions/extension.ts'
import type { GeneralName } from './names/general-name.ts'
import { serialNumberFromBytes } from './serial-number.ts'
import type { SerialNumber } from './serial-number.ts'

/** One revoked certificate. */
export interface RevokedEntry {
  /** The number of the revoked certificate. */
  readonly serialNumber: SerialNumber
  /** When it was revoked. */
  readonly revocationDate: Date
  /** `unspecified` where the entry gives none. */
  readonly reason: CrlReason
  /** Since when its key may have been known to others (RFC 5280 §5.3.2); undefined where nobody says. */
  readonly invalidityDate: Date | undefined
  /** Who issued the certificate; undefined = the issuer of the CRL. Carried on from the entries before (RFC 5280 §5.3.3). */
  readonly certificateIssuer: readonly GeneralName[] | undefined
}

/** Where the entries are, and what the scan over them found. */
export interface EntryScan {
  readonly start: number
  readonly end: number
  readonly count: number
  /** Offsets of entries that name another certificate issuer, in order; few, and none but in indirect CRLs. */
  readonly issuerOffsets: readonly number[]
  /** A critical entry extension that is not known: the list must not be used for any certificate (RFC 5280 §5.3). */
  readonly unknownCritical: string | undefined
}

/**
 * Checks the form of every entry once.
 *
 * @throws ERR_CRL_MALFORMED, ERR_DER, ERR_TIME_INVALID, ERR_EXTENSION_MALFORMED, ERR_EXTENSION_DUPLICATE, ERR_LIMIT_EXCEEDED
 */
export function scanEntries(bytes: Uint8Array, start: number, end: number, version: 1 | 2): EntryScan {
  const reader = new DerReader(bytes, start, end)
  const issuerOffsets: number[] = []
  let unknownCritical: string | undefined
  let count = 0
  while (!reader.done) {
    if (++count > maxEntries)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `a CRL of more than ${maxEntries} entries`)
    reader.expect(tags.sequence, 'revokedCertificate')
    const { contentStart, contentEnd } = reader
    const extensionsAt = checkSerialAndTime(bytes, contentStart, contentEnd)
    if (extensionsAt === contentEnd) continue
    if (version === 1)
      throw new PkiError('ERR_CRL_MALFORMED', 'entry extensions in a CRL of version 1 (RFC 5280 5.1.2.1)')
    if (isPlainReason(bytes, extensionsAt, contentEnd)) continue
    const found = checkEntryExtensions(bytes, extensionsAt, contentEnd)
    if (found.namesIssuer) issuerOffsets.push(reader.start)
    unknownCritical ??= found.unknownCritical
  }
  return { start, end, count, issuerOffsets, unknownCritical }
}

/**
 * The entries of a list one after the other, without an object for each: what its fields say holds until the next `next`.
 *
 * @example
 * ```ts
 * let compromised = 0
 * for (const cursor = list.cursor(); cursor.next();) if (cursor.reasonCode === 1) compromised++
 * ```
 */
export class RevokedEntryCursor {
  /** The list that the offsets are of. */
  readonly bytes: Uint8Array
  /** Where the entry begins. */
  start = 0
  /** Where the content octets of the serial number begin and end. */
  serialStart = 0
  serialEnd = 0
  /** Milliseconds since the epoch. */
  revocationMs = 0
  /** As it is written; -1 where the entry gives no reason. */
  reasonCode = -1
  /** RFC 5280 §5.3.1 has it not critical. */
  isReasonCritical = false
  readonly #entries: DerReader
  readonly #fields: DerReader

  /** Over entries that a scan has seen. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes
    this.#entries = new DerReader(bytes, start, end)
    this.#fields = new DerReader(bytes, start, end)
  }

  /** Goes to the next entry; false where there is none. @throws ERR_TIME_INVALID for a date that does not exist */
  next(): boolean {
    if (this.#entries.done) return false
    const fields = this.#fields
    this.#entries.next()
    fields.offset = this.#entries.contentStart
    fields.next()
    this.start = this.#entries.start
    this.serialStart = fields.contentStart
    this.serialEnd = fields.contentEnd
    this.revocationMs = readTime(fields, 'revocationDate')
    this.#readReason(fields.offset, this.#entries.contentEnd)
    return true
  }

  #readReason(at: number, end: number): void {
    this.reasonCode = -1
    this.isReasonCritical = false
    if (at === end) return
    if (isPlainReason(this.bytes, at, end)) {
      this.reasonCode = this.bytes[end - 1] as number
      return
    }
    const list = new DerReader(this.bytes, at, end).expect(tags.sequence, 'crlEntryExtensions').inner()
    for (const { oid, critical, value } of readExtensions(list, 'crlEntryExtensions')) {
      if (oid !== oids.reasonCode) continue
      this.reasonCode = crlReasons.indexOf(parseReasonCode(value))
      this.isReasonCritical = critical
    }
  }
}

/** The entry at an offset that a scan has seen. */
export function readEntry(
  bytes: Uint8Array,
  offset: number,
  certificateIssuer: readonly GeneralName[] | undefined,
): RevokedEntry {
  const entry = new DerReader(bytes, offset).expect(tags.sequence, 'revokedCertificate').inner()
  const serialNumber = serialNumberFromBytes(entry.expect(tags.integer, 'userCertificate').content())
  const revocationDate = new Date(readTime(entry, 'revocationDate'))
  let reason: CrlReason = 'unspecified'
  let invalidityDate: Date | undefined
  if (!entry.done) {
    for (const { oid, value } of readExtensions(
      entry.expect(tags.sequence, 'crlEntryExtensions').inner(),
      'crlEntryExtensions',
    )) {
      if (oid === oids.reasonCode) reason = parseReasonCode(value)
      else if (oid === oids.invalidityDate) invalidityDate = new Date(parseInvalidityDate(value))
    }
  }
  return { serialNumber, revocationDate, reason, invalidityDate, certificateIssuer }
}

/** The certificate issuer that an entry names itself. */
export function readEntryIssuer(bytes: Uint8Array, offset: number): readonly GeneralName[] | undefined {
  const entry = new DerReader(bytes, offset).expect(tags.sequence, 'revokedCertificate').inner()
  entry.next()
  entry.next()
  const extension = readExtensions(
    entry.expect(tags.sequence, 'crlEntryExtensions').inner(),
    'crlEntryExtensions',
  ).find(({ oid }) => oid === oids.certificateIssuer)
  return extension === undefined ? undefined : parseCertificateIssuer(extension.value)
}

/** Where the serial number's content octets of an entry are: offset of the first, and their count in the tag's next octet. */
function serialOffset(bytes: Uint8Array, entryOffset: number): number {
  const length = bytes[entryOffset + 1] as number
  return entryOffset + (length < 0x80 ? 4 : 4 + (length & 0x7f))
}

/** Returns where the time ends. The form of the time is checked; whether the date exists, when it is read. */
function checkSerialAndTime(bytes: Uint8Array, start: number, end: number): number {
  const serialLength = bytes[start + 1] as number
  const serialEnd = start + 2 + serialLength
  if (
    bytes[start] !== tags.integer ||
    serialLength === 0 ||
    serialLength > maxSerialOctets ||
    serialEnd + 2 > end
  ) {
    throw new PkiError(
      'ERR_CRL_MALFORMED',
      'an entry without a serial number of 1 to 20 octets (RFC 5280 5.1.2.6)',
    )
  }
  checkInteger(bytes, start + 2, serialEnd, 'userCertificate')
  const tag = bytes[serialEnd]
  const wanted = tag === tags.utcTime ? 13 : tag === tags.generalizedTime ? 15 : 0
  const timeEnd = serialEnd + 2 + wanted
  if (wanted === 0 || bytes[serialEnd + 1] !== wanted || timeEnd > end || bytes[timeEnd - 1] !== zulu) {
    throw new PkiError(
      'ERR_TIME_INVALID',
      'revocationDate: neither YYMMDDHHMMSSZ nor YYYYMMDDHHMMSSZ (RFC 5280 5.1.2.6)',
    )
  }
  for (let at = serialEnd + 2; at < timeEnd - 1; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9)
      throw new PkiError('ERR_TIME_INVALID', 'revocationDate: something other than digits')
  }
  return timeEnd
}

/** The one extension of nearly every entry that has any: a reason, not critical. */
function isPlainReason(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== plainReason.length + 1) return false
  for (let i = 0; i < plainReason.length; i++) if (bytes[start + i] !== plainReason[i]) return false
  return crlReasons[bytes[end - 1] as number] !== undefined
}

function checkEntryExtensions(
  bytes: Uint8Array,
  start: number,
  end: number,
): { namesIssuer: boolean; unknownCritical: string | undefined } {
  const rest = new DerReader(bytes, start, end)
  const list = rest.expect(tags.sequence, 'crlEntryExtensions').inner()
  rest.finish('revokedCertificate')
  let namesIssuer = false
  let unknownCritical: string | undefined
  for (const { oid, critical, value } of readExtensions(list, 'crlEntryExtensions')) {
    if (oid === oids.reasonCode) parseReasonCode(value)
    else if (oid === oids.invalidityDate) parseInvalidityDate(value)
    else if (oid === oids.certificateIssuer) {
      parseCertificateIssuer(value)
      namesIssuer = true
    } else if (critical) unknownCritical ??= oid
  }
  return { namesIssuer, unknownCritical }
}

const maxEntries = 20_000_000
const maxSerialOctets = 20
const zulu = 0x5a
/** SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED of one octet } } } up to the octet. */
const plainReason = Uint8Array.of(
  0x30,
  0x0c,
  0x30,
  0x0a,
  0x06,
  0x03,
  0x55,
  0x1d,
  0x15,
  0x04,
  0x03,
  0x0a,
  0x01,
)

/** A hash table of offsets. Its hash is seeded, so that nobody can write a list whose serial numbers all collide. */
export class RevocationListIndex {
  readonly #bytes: Uint8Array
  /** Offset of an entry, plus one; 0 = free. */
  readonly #slots: Uint32Array
  readonly #mask: number
  readonly #seed: number
  /** Whether entries of one serial number may be of several issuers; otherwise only the first of them is ever found. */
  readonly #byIssuer: boolean

  /** @throws ERR_LIMIT_EXCEEDED more than 1,024 entries of one serial number, in a list that names issuers */
  constructor(bytes: Uint8Array, scan: EntryScan) {
    this.#bytes = bytes
    this.#byIssuer = scan.issuerOffsets.length > 0
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
      if (
        bytes[at - 1] === serial.length &&
        equalAt(bytes, at, serial) &&
        (accept === undefined || accept(offset))
      )
        return offset
    }
  }

  /** The same for a serial number in place, between two offsets of any bytes. */
  findBetween(wanted: Uint8Array, start: number, end: number): number {
    const bytes = this.#bytes
    for (let slot = this.#hash(wanted, start, end); ; slot = (slot + 1) & this.#mask) {
      const stored = this.#slots[slot] as number
      if (stored === 0) return -1
      const at = serialOffset(bytes, stored - 1)
      if (bytes[at - 1] !== end - start) continue
      let same = 0
      while (same < end - start && bytes[at + same] === wanted[start + same]) same++
      if (same === end - start) return stored - 1
    }
  }

  #insert(offset: number): void {
    const at = serialOffset(this.#bytes, offset)
    let slot = this.#hash(this.#bytes, at, at + (this.#bytes[at - 1] as number))
    let same = 0
    for (let steps = 0; this.#slots[slot] !== 0; slot = (slot + 1) & this.#mask) {
      // Honest runs are short. No seed tells apart a serial number that is listed a million times, and each would walk past all before it.
      if (++steps <= longRun || !this.#isSerialAt(at, (this.#slots[slot] as number) - 1)) continue
      if (!this.#byIssuer) return
      if (++same > maxSame)
        throw new PkiError('ERR_LIMIT_EXCEEDED', `a CRL of more than ${maxSame} entries of one serial number`)
    }
    this.#slots[slot] = offset + 1
  }

  #isSerialAt(at: number, offset: number): boolean {
    const bytes = this.#bytes
    const other = serialOffset(bytes, offset)
    const length = bytes[at - 1] as number
    if (bytes[other - 1] !== length) return false
    for (let i = 0; i < length; i++) if (bytes[at + i] !== bytes[other + i]) return false
    return true
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

/** Slots in a row that are taken before anybody looks why. */
const longRun = 64
const maxSame = 1024

function equalAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false
  return true
}
