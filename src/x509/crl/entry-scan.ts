// One pass over the entries of a CRL: counts them, and finds those that name an issuer or cannot be read (RFC
// 5280 §5.1.2.6, §5.3).

import { checkInteger, DerReader, readTime, tags } from '../../der/index.ts'
import { isPkiError, PkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import {
  parseCertificateIssuer,
  parseInvalidityDate,
  parseReasonCode,
} from '../extensions/revocation-extensions.ts'
import { readExtensions, extensionOids as oids } from '../extensions/extension.ts'
import { serialNumberFromBytes } from '../serial-number.ts'
import type { SerialNumber } from '../serial-number.ts'
import { readQuietly } from '../accusing/quiet-entry.ts'
import type { OddEntry } from '../accusing/quiet-entry.ts'
import type { Tolerance } from '../tolerances.ts'
import { dateEnd, isPlainReason, maxSerialOctets, serialStart, serialValue } from './entry-octets.ts'
import { extensionsReader, oddEntryExtensions, readEntryExtensions } from './revoked-entry.ts'

/** An entry that violates RFC 5280 §5.1.2.6 or §5.3. @inline */
export interface EntryFault {
  /** The index of the entry in the list, from 0. */
  readonly index: number
  /** The listed serial number; undefined if it cannot be read. */
  readonly serialNumber: SerialNumber | undefined
  /** The fault as an error code. */
  readonly code: PkiErrorCode
  /** The fault in words; names the entry. */
  readonly reason: string
}

/** The position of the entries, and the results of the scan. */
export interface EntryScan {
  readonly start: number
  readonly end: number
  readonly count: number
  /**
   * Offsets, in order, of entries that name another certificate issuer, or whose extensions cannot be read.
   */
  readonly issuerOffsets: readonly number[]
  /**
   * An unknown critical entry extension: the list must then not be used for any certificate (RFC 5280 §5.3).
   */
  readonly unknownCritical: string | undefined
  /** The first entries that cannot be read. An empty list: every entry can be read. */
  readonly faults: readonly EntryFault[]
}

/**
 * Checks the form of every entry once. An invalid entry is recorded; the scan continues with the others.
 *
 * `toAccuse`: any number of entries may have unreadable extensions, and the later ones are read without a
 * diagnosis.
 *
 * @throws ERR_DER if the end of an entry cannot be determined; ERR_LIMIT_EXCEEDED
 */
export function scanEntries(
  bytes: Uint8Array,
  start: number,
  end: number,
  version: 1 | 2,
  tolerances: readonly Tolerance[],
  toAccuse?: boolean,
): EntryScan {
  const reader = new DerReader(bytes, start, end)
  const issuerOffsets: number[] = []
  const faults: EntryFault[] = []
  let unknownCritical: string | undefined
  let unreadable = 0
  let count = 0
  for (; !reader.done; count++) {
    if (count >= maxEntries)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `the CRL has more than ${maxEntries} entries`)
    reader.next('revokedCertificate')
    const { contentStart, contentEnd } = reader
    const after = reader.tag === tags.sequence ? fieldsEnd(bytes, contentStart, contentEnd) : -1
    const mayHaveExtensions = after > 0 && version === 2
    if (after === contentEnd || (mayHaveExtensions && isPlainReason(bytes, after, contentEnd))) continue
    const found = oddReader(unreadable, toAccuse)(bytes, contentStart, contentEnd, tolerances)
    if (found.namesIssuer) issuerOffsets.push(reader.start)
    unknownCritical ??= found.unknownCritical
    if (mayHaveExtensions && !found.isOdd) continue
    if (found.isOdd) unreadable = countUnreadable(unreadable, toAccuse)
    if (faults.length < maxFaults) faults.push(faultOf(reader, count, version, tolerances))
  }
  return {
    start,
    end,
    count,
    issuerOffsets,
    unknownCritical,
    faults: Object.freeze(faults),
  }
}

/** The end of serial number and date; -1 if one of them cannot be read. */
function fieldsEnd(bytes: Uint8Array, start: number, end: number): number {
  const serial = serialStart(bytes, start, end)
  return serial < 0 ? -1 : dateEnd(bytes, serial + (bytes[serial - 1] as number), end)
}

/**
 * Each diagnosis costs exceptions, so the number of diagnosed entries is limited. @throws ERR_LIMIT_EXCEEDED
 */
function countUnreadable(before: number, toAccuse: boolean | undefined): number {
  if (before < maxUnreadable || toAccuse === true) return before + 1
  throw new PkiError(
    'ERR_LIMIT_EXCEEDED',
    `the CRL has more than ${maxUnreadable} entries whose extensions cannot be read`,
  )
}

function oddReader(unreadable: number, toAccuse: boolean | undefined): typeof readOddEntry {
  return toAccuse === true && unreadable >= maxFaults ? readQuietly : readOddEntry
}

/** Reads each extension of an entry separately: an unreadable one must not hide the content of another. */
function readOddEntry(
  bytes: Uint8Array,
  start: number,
  end: number,
  tolerances: readonly Tolerance[],
): OddEntry {
  const entry = extensionsReader(bytes, start, end)
  const readable = entry && readEntryExtensions(entry, tolerances)
  const extensions = readable ?? oddEntryExtensions(bytes, start, end)
  // An unreadable extension may name the issuer of the certificate.
  if (extensions === undefined) return { namesIssuer: true, unknownCritical: undefined, isOdd: true }
  let isOdd = readable === undefined || entry?.done === false
  let unknownCritical: string | undefined
  for (const { oid, critical, value } of extensions) {
    const read = entryExtensions.get(oid)
    if (read === undefined) {
      if (critical) unknownCritical ??= oid
    } else if (!isReadable(() => read(value, tolerances))) isOdd = true
  }
  return { namesIssuer: extensions.some(({ oid }) => oid === oids.certificateIssuer), unknownCritical, isOdd }
}

function isReadable(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (isPkiError(error)) return false
    throw error
  }
}

/** Diagnoses an entry by reading it again, strictly. */
function faultOf(
  { bytes, tag, contentStart, contentEnd }: DerReader,
  index: number,
  version: 1 | 2,
  tolerances: readonly Tolerance[],
): EntryFault {
  const serial = tag === tags.sequence ? serialValue(bytes, contentStart, contentEnd) : undefined
  const serialNumber = serial && serialNumberFromBytes(bytes.subarray(serial.start, serial.end))
  const number = serialNumber === undefined ? '' : ` (serial number ${serialNumber.slice(0, 80)})`
  const name = `entry ${index}${number}`
  try {
    if (tag !== tags.sequence) throw new PkiError('ERR_DER', `found tag 0x${tag.toString(16)}, expected 0x30`)
    checkEntry(bytes, contentStart, contentEnd, version, tolerances)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return Object.freeze({ index, serialNumber, code: error.code, reason: `${name}: ${error.message}` })
  }
  // The strict and the in-place reader disagree: the list then cannot show that a certificate is good.
  return Object.freeze({ index, serialNumber, code: 'ERR_CRL_MALFORMED', reason: `${name}: not readable` })
}

function checkEntry(
  bytes: Uint8Array,
  start: number,
  end: number,
  version: 1 | 2,
  tolerances: readonly Tolerance[],
): void {
  checkSerial(bytes, start, end)
  const entry = new DerReader(bytes, start, end)
  entry.next()
  if (entry.peek() !== tags.utcTime && entry.peek() !== tags.generalizedTime)
    throw new PkiError('ERR_TIME_INVALID', 'revocationDate is neither a UTCTime nor a GeneralizedTime')
  readTime(entry, 'revocationDate')
  if (entry.done) return
  if (version === 1)
    throw new PkiError('ERR_CRL_MALFORMED', 'a CRL of version 1 has extensions (RFC 5280 5.1.2.1)')
  const list = entry.expect(tags.sequence, 'crlEntryExtensions').inner()
  entry.finish('revokedCertificate')
  for (const { oid, value } of readExtensions(list, 'crlEntryExtensions', tolerances))
    entryExtensions.get(oid)?.(value, tolerances)
}

function checkSerial(bytes: Uint8Array, start: number, end: number): void {
  if (serialStart(bytes, start, end) >= 0) return
  const length = bytes[start + 1] as number
  if (bytes[start] === tags.integer && length > 1 && length <= maxSerialOctets && start + 2 + length <= end)
    checkInteger(bytes, start + 2, start + 2 + length, 'userCertificate')
  throw new PkiError(
    'ERR_CRL_MALFORMED',
    `expected a serial number of 1 to ${maxSerialOctets} octets (RFC 5280 5.1.2.6)`,
  )
}

/** RFC 5280 §5.3.1 to §5.3.3. */
const entryExtensions: ReadonlyMap<string, (der: Uint8Array, tolerances: readonly Tolerance[]) => unknown> =
  new Map<string, (der: Uint8Array, tolerances: readonly Tolerance[]) => unknown>([
    [oids.reasonCode, parseReasonCode],
    [oids.invalidityDate, parseInvalidityDate],
    [oids.certificateIssuer, parseCertificateIssuer],
  ])

const maxEntries = 20_000_000
const maxUnreadable = 10_000
/** Enough for the reader of a message. */
export const maxFaults = 16
