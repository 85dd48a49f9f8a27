// UTCTime and GeneralizedTime in the one form that RFC 5280 section 4.1.2.5 allows: seconds, Z, no fraction.

import { PkiError } from '../errors/index.ts'
import type { DerReader } from './der-reader.ts'
import { tags } from './primitives.ts'

/**
 * Reads a `Time` as milliseconds since the epoch. GeneralizedTime before 2050 is accepted: RFC 5280 §4.1.2.5
 * forbids CAs to write it, but some widely trusted roots contain it.
 *
 * @throws ERR_TIME_INVALID, ERR_DER
 */
export function readTime(reader: DerReader, what: string): number {
  const tag = reader.next(what)
  if (tag === tags.utcTime) return utcTimeContent(reader, what)
  if (tag !== tags.generalizedTime)
    throw new PkiError(
      'ERR_DER',
      `${what}: found tag 0x${tag.toString(16)}, expected a UTCTime or GeneralizedTime`,
    )
  return generalizedTimeContent(reader, what)
}

/** UTCTime content `YYMMDDHHMMSSZ`; 50 to 99 are 1950 to 1999. @throws ERR_TIME_INVALID */
export function utcTimeContent(reader: DerReader, what: string): number {
  const { bytes, contentStart: at, contentEnd } = reader
  if (contentEnd - at !== 13 || bytes[at + 12] !== 0x5a) throw wrongForm(reader, what, 'YYMMDDHHMMSSZ')
  const year = digits(bytes, at, reader, what)
  return compose(bytes, at + 2, year < 50 ? 2000 + year : 1900 + year, reader, what)
}

/** GeneralizedTime content `YYYYMMDDHHMMSSZ`. @throws ERR_TIME_INVALID */
export function generalizedTimeContent(reader: DerReader, what: string): number {
  const { bytes, contentStart: at, contentEnd } = reader
  if (contentEnd - at !== 15 || bytes[at + 14] !== 0x5a) throw wrongForm(reader, what, 'YYYYMMDDHHMMSSZ')
  return compose(
    bytes,
    at + 4,
    digits(bytes, at, reader, what) * 100 + digits(bytes, at + 2, reader, what),
    reader,
    what,
  )
}

/**
 * DER of a `Time` for milliseconds since the epoch, whole seconds; UTCTime
 * before 2050, GeneralizedTime after.
 *
 * @throws ERR_INVALID_ARGUMENT outside the years 1950 to 9999.
 */
export function encodeTime(milliseconds: number): Uint8Array {
  if (!(milliseconds >= year1950 && milliseconds < year10000)) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${String(milliseconds)} ms is not a time in the years 1950 to 9999`,
    )
  }
  return encodeText(milliseconds, milliseconds < year2050 ? tags.utcTime : tags.generalizedTime)
}

/** DER of a GeneralizedTime (invalidity dates, OCSP), whole seconds. @throws ERR_INVALID_ARGUMENT */
export function encodeGeneralizedTime(milliseconds: number): Uint8Array {
  if (!(milliseconds >= year0 && milliseconds < year10000))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${String(milliseconds)} ms is not a time in the years 0 to 9999`,
    )
  return encodeText(milliseconds, tags.generalizedTime)
}

function encodeText(milliseconds: number, tag: number): Uint8Array {
  // "2026-11-20T10:11:12" → "20261120101112"
  const text = new Date(milliseconds).toISOString().slice(0, 19).replace(/[-:T]/g, '')
  const content = tag === tags.utcTime ? text.slice(2) : text
  const out = new Uint8Array(content.length + 3)
  out[0] = tag
  out[1] = content.length + 1
  for (let i = 0; i < content.length; i++) out[i + 2] = content.charCodeAt(i)
  out[out.length - 1] = 0x5a
  return out
}

function compose(bytes: Uint8Array, at: number, year: number, reader: DerReader, what: string): number {
  const month = digits(bytes, at, reader, what)
  const day = digits(bytes, at + 2, reader, what)
  const hour = digits(bytes, at + 4, reader, what)
  const minute = digits(bytes, at + 6, reader, what)
  const second = digits(bytes, at + 8, reader, what)
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const lastDay = month === 2 && leap ? 29 : (daysOfMonth[month - 1] ?? 0)
  // No leap seconds: POSIX time cannot represent them.
  if (day < 1 || day > lastDay || hour > 23 || minute > 59 || second > 59)
    throw wrongForm(reader, what, 'a date that exists')
  return daysFromCivil(year, month, day) * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000
}

/**
 * Days since 1970-01-01 in the proleptic Gregorian calendar. `Date.UTC` is
 * not used: it maps the years 0 to 99 to 1900 to 1999.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  )
}

function digits(bytes: Uint8Array, at: number, reader: DerReader, what: string): number {
  const tens = (bytes[at] as number) - 0x30
  const ones = (bytes[at + 1] as number) - 0x30
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw wrongForm(reader, what, 'digits')
  return tens * 10 + ones
}

function wrongForm(reader: DerReader, what: string, wanted: string): PkiError {
  const found = JSON.stringify(Buffer.from(reader.content().subarray(0, 32)).toString('latin1'))
  return new PkiError('ERR_TIME_INVALID', `${what}: found ${found}, expected ${wanted} (RFC 5280 4.1.2.5)`)
}

const daysOfMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const year0 = Date.parse('0000-01-01T00:00:00Z')
const year1950 = Date.parse('1950-01-01T00:00:00Z')
const year2050 = Date.parse('2050-01-01T00:00:00Z')
const year10000 = Date.parse('9999-12-31T23:59:59Z') + 1000
