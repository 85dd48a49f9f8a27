// ASN.1 character strings: which octets each type may hold (X.680 section 41, X.690 section 8.23).

import { PkiError } from '../errors/index.ts'
import type { DerReader } from './der-reader.ts'
import { tags } from './primitives.ts'

/** Whether `tag` is a character string type that this module decodes. */
export function isStringTag(tag: number): boolean {
  return tag in decoders
}

/**
 * The text of the string element read last, by its tag.
 *
 * @throws ERR_STRING_INVALID for octets that are not valid for the type; ERR_DER for another type.
 */
export function stringContent(reader: DerReader, what: string): string {
  const decode = decoders[reader.tag]
  if (decode === undefined)
    throw new PkiError(
      'ERR_DER',
      `${what}: found tag 0x${reader.tag.toString(16)}, expected a character string type`,
    )
  return decode(reader.bytes, reader.contentStart, reader.contentEnd, what)
}

/**
 * Octets below 0x80 as text, as for IA5String, for any tag of the element.
 * @throws ERR_STRING_INVALID
 */
export function ia5Text(bytes: Uint8Array, start: number, end: number, what: string): string {
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (octet > 0x7f) throw impossible('IA5String', octet, what)
  }
  return latin1(bytes, start, end)
}

function charset(name: string, allowed: RegExp): Decoder {
  const table = new Uint8Array(256)
  for (let i = 0; i < 128; i++) if (allowed.test(String.fromCharCode(i))) table[i] = 1
  return (bytes, start, end, what) => {
    for (let i = start; i < end; i++) {
      const octet = bytes[i] as number
      if (table[octet] !== 1) throw impossible(name, octet, what)
    }
    return latin1(bytes, start, end)
  }
}

function utf8(bytes: Uint8Array, start: number, end: number, what: string): string {
  try {
    return utf8Decoder.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new PkiError('ERR_STRING_INVALID', `${what}: the octets are not UTF-8`, { cause })
  }
}

/** One call for all octets: concatenating single characters allocates a string for each. */
function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}

function bmp(bytes: Uint8Array, start: number, end: number, what: string): string {
  if ((end - start) % 2 !== 0)
    throw new PkiError('ERR_STRING_INVALID', `${what}: the BMPString has an odd number of octets`)
  let text = ''
  for (let i = start; i < end; i += 2) {
    const unit = (bytes[i] as number) * 256 + (bytes[i + 1] as number)
    if (unit >= 0xd800 && unit <= 0xdfff)
      throw new PkiError('ERR_STRING_INVALID', `${what}: the BMPString contains a surrogate`)
    text += String.fromCharCode(unit)
  }
  return text
}

function universal(bytes: Uint8Array, start: number, end: number, what: string): string {
  if ((end - start) % 4 !== 0)
    throw new PkiError(
      'ERR_STRING_INVALID',
      `${what}: the length of the UniversalString is not a multiple of four`,
    )
  let text = ''
  for (let i = start; i < end; i += 4) {
    const point =
      (((bytes[i] as number) * 256 + (bytes[i + 1] as number)) * 256 + (bytes[i + 2] as number)) * 256 +
      (bytes[i + 3] as number)
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
      throw new PkiError('ERR_STRING_INVALID', `${what}: the UniversalString contains an invalid code point`)
    text += String.fromCodePoint(point)
  }
  return text
}

function impossible(name: string, octet: number, what: string): PkiError {
  return new PkiError(
    'ERR_STRING_INVALID',
    `${what}: octet 0x${octet.toString(16).padStart(2, '0')} is not allowed in a ${name}`,
  )
}

type Decoder = (bytes: Uint8Array, start: number, end: number, what: string) => string

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const decoders: Readonly<Record<number, Decoder | undefined>> = {
  [tags.utf8String]: utf8,
  [tags.printableString]: charset('PrintableString', /[A-Za-z0-9 '()+,\-./:=?]/),
  [tags.ia5String]: ia5Text,
  [tags.numericString]: charset('NumericString', /[0-9 ]/),
  [tags.visibleString]: charset('VisibleString', /[ -~]/),
  // T.61 by the standard; certificates that use it contain latin-1 in practice.
  [tags.teletexString]: latin1,
  [tags.bmpString]: bmp,
  [tags.universalString]: universal,
}
