// Checks the octets of a CRL entry in place and without exceptions, because a list has up to millions of
// entries (RFC 5280 §5.1.2.6).

import { DerReader, tags } from '../../der/index.ts'
import { crlReasons } from '../extensions/revocation-extensions.ts'
import type { CrlReason } from '../extensions/revocation-extensions.ts'

/**
 * The offset of the serial number's content octets in the content of an entry; -1 if they are not canonical,
 * or too many for the index.
 */
export function serialStart(bytes: Uint8Array, start: number, end: number): number {
  const length = bytes[start + 1] as number
  const at = start + 2
  if (end - start < 3 || bytes[start] !== tags.integer || length === 0 || length > maxSerialOctets) return -1
  return at + length > end || isPadded(bytes, at, at + length) ? -1 : at
}

/** The place of a serial number, without padding. */
export interface SerialRange {
  readonly start: number
  readonly end: number
}

/**
 * The serial number of an entry by its value: like `serialStart`, but also for an INTEGER that is padded
 * (X.690 8.3.2) or has up to 1,024 octets. Such an entry breaks a rule, but its number is certain.
 */
export function serialValue(bytes: Uint8Array, start: number, end: number): SerialRange | undefined {
  let length = bytes[start + 1] as number
  let at = start + 2
  if (length >= 0x80) {
    // DER: 81 from 128 on, 82 from 256 on.
    const octets = length & 0x7f
    if (octets === 0 || octets > 2) return undefined
    length = octets === 1 ? (bytes[at] as number) : (bytes[at] as number) * 256 + (bytes[at + 1] as number)
    if (length < (octets === 1 ? 0x80 : 0x100)) return undefined
    at += octets
  }
  if (end - start < 3 || bytes[start] !== tags.integer || length === 0 || length > maxValueOctets)
    return undefined
  const stop = at + length
  if (stop > end) return undefined
  while (isPadded(bytes, at, stop)) at++
  return { start: at, end: stop }
}

/** X.690 8.3.2: the first nine bits are neither all one nor all zero. */
function isPadded(bytes: Uint8Array, at: number, end: number): boolean {
  const first = bytes[at] as number
  return end - at > 1 && (first === 0 || first === 0xff) && (bytes[at + 1] as number) >> 7 === first >> 7
}

/**
 * The end of the revocation date that begins at `start`; -1 if it is not a date in the form of RFC 5280
 * §4.1.2.5.
 */
export function dateEnd(bytes: Uint8Array, start: number, end: number): number {
  const tag = bytes[start]
  const length = tag === tags.utcTime ? 13 : tag === tags.generalizedTime ? 15 : 0
  const at = start + 2
  const stop = at + length
  if (length === 0 || stop > end || bytes[start + 1] !== length || bytes[stop - 1] !== zulu) return -1
  for (let digit = at; digit < stop - 1; digit++)
    if ((bytes[digit] as number) < 0x30 || (bytes[digit] as number) > 0x39) return -1
  return isCalendarDate(bytes, stop - 11, length === 15 ? two(bytes, at) : 20) ? stop : -1
}

/** Whether the digits from the month on are a valid date; the last two digits of the year precede them. */
function isCalendarDate(bytes: Uint8Array, at: number, century: number): boolean {
  const day = two(bytes, at + 2)
  if (two(bytes, at + 4) > 23 || two(bytes, at + 6) > 59 || two(bytes, at + 8) > 59 || day < 1) return false
  if (day <= 28) return (daysOfMonth[two(bytes, at)] ?? 0) > 0
  const year = two(bytes, at - 2)
  const isLeap = year % 4 === 0 && (year !== 0 || century % 4 === 0)
  const month = two(bytes, at)
  return day <= (month === 2 && isLeap ? 29 : (daysOfMonth[month] ?? 0))
}

function two(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) - 0x30) * 10 + (bytes[at + 1] as number) - 0x30
}

/** The only extension of nearly all entries with extensions: a reason, not critical. */
export function isPlainReason(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== plainReason.length + 1) return false
  for (let i = 0; i < plainReason.length; i++) if (bytes[start + i] !== plainReason[i]) return false
  return crlReasons[bytes[end - 1] as number] !== undefined
}

/** The weight of a reason: `removeFromCRL` 0, `certificateHold` 1, every other 2 (RFC 5280 §5.3.1). */
export function weightOf(reason: CrlReason): number {
  return reason === 'removeFromCRL' ? 0 : reason === 'certificateHold' ? 1 : permanent
}

/**
 * The weight of an entry, read in place. A reason in any other encoding than the plain one counts as
 * permanent.
 */
export function weightInPlace(bytes: Uint8Array, entryOffset: number): number {
  const entry = new DerReader(bytes, entryOffset)
  entry.next()
  const { contentEnd } = entry
  const isPlain = isPlainReason(bytes, contentEnd - plainReason.length - 1, contentEnd)
  return isPlain ? weightOf(crlReasons[bytes[contentEnd - 1] as number] as CrlReason) : permanent
}

/**
 * The position of the serial number's content octets in an entry whose serial number is canonical.
 */
export function serialOffset(bytes: Uint8Array, entryOffset: number): number {
  const length = bytes[entryOffset + 1] as number
  return entryOffset + (length < 0x80 ? 4 : 4 + (length & 0x7f))
}

/**
 * RFC 5280 5.1.2.6 allows 20. Certificates with more exist and are revoked. The index reads a length of one
 * octet.
 */
export const maxSerialOctets = 127
/** The same limit as for the serial number of a certificate that is read. */
const maxValueOctets = 1024
/** The weight of a permanent revocation. */
export const permanent = 2
const zulu = 0x5a
/** Indexed by month, from 1. */
const daysOfMonth = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
/** SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED of one octet } } } up to the octet. */
const plainReason = Uint8Array.from([0x30, 12, 0x30, 10, 0x06, 3, 0x55, 0x1d, 0x15, 0x04, 3, 0x0a, 1])
