// The entries of a CRL, read in place: a list of a million has no object per entry. RFC 5280 §5.1.2.6, §5.3.

import { DerReader, checkInteger, readTime, tags } from '../der/index.ts'
import { PkiError } from '../errors/index.ts'
import { crlReasons, parseCertificateIssuer, parseInvalidityDate, parseReasonCode } from './extensions/crl-extensions.ts'
import type { CrlReason } from './extensions/crl-extensions.ts'
import { readExtensions } from './extensions/extension.ts'
import type { GeneralName } from './names/general-name.ts'
import { extensionOids as oids } from './oids.ts'
import { serialNumberFromBytes } from './serial-number.ts'
import type { SerialNumber } from './serial-number.ts'

/** One revoked certificate. */
export interface RevokedEntry {
  readonly serialNumber: SerialNumber
  readonly revocationDate: Date
  /** `unspecified` where the entry gives none. */
  readonly reason: CrlReason
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
    if (++count > maxEntries) throw new PkiError('ERR_LIMIT_EXCEEDED', `a CRL of more than ${maxEntries} entries`)
    reader.expect(tags.sequence, 'revokedCertificate')
    const { contentStart, contentEnd } = reader
    const extensionsAt = checkSerialAndTime(bytes, contentStart, contentEnd)
    if (extensionsAt === contentEnd) continue
    if (version === 1) throw new PkiError('ERR_CRL_MALFORMED', 'entry extensions in a CRL of version 1 (RFC 5280 5.1.2.1)')
    if (isPlainReason(bytes, extensionsAt, contentEnd)) continue
    const found = checkEntryExtensions(bytes, extensionsAt, contentEnd)
    if (found.namesIssuer) issuerOffsets.push(reader.start)
    unknownCritical ??= found.unknownCritical
  }
  return { start, end, count, issuerOffsets, unknownCritical }
}

/** The entry at an offset that a scan has seen. */
export function readEntry(bytes: Uint8Array, offset: number, certificateIssuer: readonly GeneralName[] | undefined): RevokedEntry {
  const entry = new DerReader(bytes, offset).expect(tags.sequence, 'revokedCertificate').inner()
  const serialNumber = serialNumberFromBytes(entry.expect(tags.integer, 'userCertificate').content())
  const revocationDate = new Date(readTime(entry, 'revocationDate'))
  let reason: CrlReason = 'unspecified'
  let invalidityDate: Date | undefined
  if (!entry.done) {
    for (const { oid, value } of readExtensions(entry.expect(tags.sequence, 'crlEntryExtensions').inner(), 'crlEntryExtensions')) {
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
  const extension = readExtensions(entry.expect(tags.sequence, 'crlEntryExtensions').inner(), 'crlEntryExtensions').find(({ oid }) => oid === oids.certificateIssuer)
  return extension === undefined ? undefined : parseCertificateIssuer(extension.value)
}

/** Where the serial number's content octets of an entry are: offset of the first, and their count in the tag's next octet. */
export function serialOffset(bytes: Uint8Array, entryOffset: number): number {
  const length = bytes[entryOffset + 1] as number
  return entryOffset + (length < 0x80 ? 4 : 4 + (length & 0x7f))
}

/** Returns where the time ends. The form of the time is checked; whether the date exists, when it is read. */
function checkSerialAndTime(bytes: Uint8Array, start: number, end: number): number {
  const serialLength = bytes[start + 1] as number
  const serialEnd = start + 2 + serialLength
  if (bytes[start] !== tags.integer || serialLength === 0 || serialLength > maxSerialOctets || serialEnd + 2 > end) {
    throw new PkiError('ERR_CRL_MALFORMED', 'an entry without a serial number of 1 to 20 octets (RFC 5280 5.1.2.6)')
  }
  checkInteger(bytes, start + 2, serialEnd, 'userCertificate')
  const tag = bytes[serialEnd]
  const wanted = tag === tags.utcTime ? 13 : tag === tags.generalizedTime ? 15 : 0
  const timeEnd = serialEnd + 2 + wanted
  if (wanted === 0 || bytes[serialEnd + 1] !== wanted || timeEnd > end || bytes[timeEnd - 1] !== zulu) {
    throw new PkiError('ERR_TIME_INVALID', 'revocationDate: neither YYMMDDHHMMSSZ nor YYYYMMDDHHMMSSZ (RFC 5280 5.1.2.6)')
  }
  for (let at = serialEnd + 2; at < timeEnd - 1; at++) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) throw new PkiError('ERR_TIME_INVALID', 'revocationDate: something other than digits')
  }
  return timeEnd
}

/** The one extension of nearly every entry that has any: a reason, not critical. */
function isPlainReason(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== plainReason.length + 1) return false
  for (let i = 0; i < plainReason.length; i++) if (bytes[start + i] !== plainReason[i]) return false
  return crlReasons[bytes[end - 1] as number] !== undefined
}

function checkEntryExtensions(bytes: Uint8Array, start: number, end: number): { namesIssuer: boolean, unknownCritical: string | undefined } {
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
const plainReason = Uint8Array.of(0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01)
