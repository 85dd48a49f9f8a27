// Universal tags (X.680 section 8.6), context-specific tags, and decoders
// for primitive types (X.690 section 8) and object identifiers.

import { PkiError } from '../errors/index.ts'
import type { DerReader } from './der-reader.ts'

/** Universal tags, with the constructed bit where DER sets it. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** The tag of a primitive `[n]`, n from 0 to 30. @throws ERR_INVALID_ARGUMENT */
export function contextPrimitive(n: number): number {
  if (n >>> 0 !== n || n > 30) throw tagNumberError(n)
  return 0x80 | n
}

/**
 * The tag of a constructed `[n]`, n from 0 to 30: EXPLICIT, or IMPLICIT over a constructed type.
 * @throws ERR_INVALID_ARGUMENT
 */
export function contextConstructed(n: number): number {
  if (n >>> 0 !== n || n > 30) throw tagNumberError(n)
  return 0xa0 | n
}

/** BOOLEAN content: 00 or FF (X.690 11.1). @throws ERR_DER */
export function booleanContent(reader: DerReader, what: string): boolean {
  const octet = reader.bytes[reader.contentStart]
  if (reader.contentEnd - reader.contentStart !== 1 || (octet !== 0 && octet !== 0xff)) {
    throw new PkiError('ERR_DER', `${what}: the content of a BOOLEAN is not one octet 00 or FF (X.690 11.1)`)
  }
  return octet === 0xff
}

/** Refuses INTEGER content that is empty or padded (X.690 8.3.2). @throws ERR_DER */
export function checkInteger(bytes: Uint8Array, start: number, end: number, what: string): void {
  if (end <= start) throw new PkiError('ERR_DER', `${what}: the INTEGER has no content`)
  if (end - start === 1) return
  const first = bytes[start] as number
  const second = bytes[start + 1] as number
  if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) {
    throw new PkiError('ERR_DER', `${what}: the INTEGER is not minimal (X.690 8.3.2)`)
  }
}

/** The content octets of the INTEGER read last, minimal two's complement. @throws ERR_DER */
export function integerContent(reader: DerReader, what: string): Uint8Array {
  checkInteger(reader.bytes, reader.contentStart, reader.contentEnd, what)
  return reader.content()
}

/** The INTEGER read last as a number from 0 to 2^31 - 1. @throws ERR_DER on any other value. */
export function smallInteger(reader: DerReader, what: string): number {
  const { bytes, contentStart, contentEnd } = reader
  checkInteger(bytes, contentStart, contentEnd, what)
  if (contentEnd - contentStart > 4 || (bytes[contentStart] as number) >= 0x80) {
    throw new PkiError('ERR_DER', `${what}: the INTEGER is below 0 or above 2^31 - 1`)
  }
  let value = 0
  for (let i = contentStart; i < contentEnd; i++) value = value * 256 + (bytes[i] as number)
  return value
}

/** A BIT STRING: its octets, and the number of unused bits in the last one. */
export interface BitString {
  readonly bytes: Uint8Array
  readonly unusedBits: number
}

/** BIT STRING content; unused bits must be zero (X.690 11.2.1). @throws ERR_DER */
export function bitStringContent(reader: DerReader, what: string): BitString {
  const { bytes, contentStart, contentEnd } = reader
  const unusedBits = bytes[contentStart] as number
  if (contentEnd <= contentStart || unusedBits > 7 || (unusedBits > 0 && contentEnd - contentStart === 1)) {
    throw new PkiError('ERR_DER', `${what}: the BIT STRING has an invalid count of unused bits`)
  }
  if (unusedBits > 0 && ((bytes[contentEnd - 1] as number) & ((1 << unusedBits) - 1)) !== 0) {
    throw new PkiError('ERR_DER', `${what}: the unused bits of the BIT STRING are not zero (X.690 11.2.1)`)
  }
  return { bytes: bytes.subarray(contentStart + 1, contentEnd), unusedBits }
}

/** The octets of a BIT STRING that has no unused bits: a key or a signature. @throws ERR_DER */
export function wholeOctetsBitString(reader: DerReader, what: string): Uint8Array {
  const { bytes, unusedBits } = bitStringContent(reader, what)
  if (unusedBits !== 0)
    throw new PkiError('ERR_DER', `${what}: the BIT STRING has ${String(unusedBits)} unused bits; expected 0`)
  return bytes
}

/**
 * A named-bit list (KeyUsage, ReasonFlags) as a number, first named bit =
 * bit 0. DER drops trailing zeros (X.690 11.2.2).
 *
 * @throws ERR_DER on a list that is empty, padded or longer than 16 bits.
 */
export function namedBits(reader: DerReader, what: string): number {
  const bits = lenientNamedBits(reader, what)
  const { bytes, contentStart, contentEnd } = reader
  if ((((bytes[contentEnd - 1] as number) >> (bytes[contentStart] as number)) & 1) === 0)
    throw new PkiError('ERR_DER', `${what}: the named-bit list ends in zero bits (X.690 11.2.2)`)
  return bits
}

/**
 * Like `namedBits`, but trailing zero bits are accepted, as some CAs write keyUsage; at least one bit must be
 * set.
 * @throws ERR_DER
 */
export function lenientNamedBits(reader: DerReader, what: string): number {
  const { bytes } = bitStringContent(reader, what)
  if (bytes.length === 0 || bytes.length > 2)
    throw new PkiError(
      'ERR_DER',
      `${what}: the named-bit list has ${String(bytes.length)} octets; expected 1 or 2`,
    )
  let bits = 0
  for (let i = 0; i < bytes.length * 8; i++)
    if (((bytes[i >> 3] as number) >> (7 - (i & 7))) & 1) bits |= 1 << i
  if (bits === 0) throw new PkiError('ERR_DER', `${what}: the named-bit list has no bit set`)
  return bits
}

/** NULL content, which must be empty. @throws ERR_DER */
export function nullContent(reader: DerReader, what: string): void {
  if (reader.contentEnd !== reader.contentStart)
    throw new PkiError('ERR_DER', `${what}: the NULL has content`)
}

function tagNumberError(n: number): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', `[${String(n)}] is not a tag of one octet; expected 0 to 30`)
}

/** The longest content that is read, in octets (CVE-2023-2650: huge sub-identifiers). */
const maxOidOctets = 64

/** The dotted text of the OBJECT IDENTIFIER read last. @throws ERR_OID_INVALID as `decodeOid` */
export function oidContent({ bytes, contentStart, contentEnd }: DerReader, what: string): string {
  return decodeOid(bytes, contentStart, contentEnd, what)
}

/** Reads the next element, which must be an OBJECT IDENTIFIER. @throws ERR_DER; as `decodeOid` */
export function readOid(reader: DerReader, what: string): string {
  return oidContent(reader.expect(tags.oid, what), what)
}

/**
 * Dotted text of OID content octets; `what` names the field in errors.
 *
 * @throws ERR_OID_INVALID for content that is empty, truncated, padded or longer than 64 octets.
 */
export function decodeOid(bytes: Uint8Array, start = 0, end: number = bytes.length, what?: string): string {
  checkOid(bytes, start, end, what)
  const familiar = familiarOid(bytes, start, end)
  if (familiar !== undefined) return familiar
  let text = ''
  let value = 0
  let large: bigint | undefined
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (large !== undefined) large = (large << 7n) | BigInt(octet & 0x7f)
    else if (value > 0x3fffffff)
      // No truncation of large sub-identifiers (CVE-2025-66030).
      large = (BigInt(value) << 7n) | BigInt(octet & 0x7f)
    else value = value * 128 + (octet & 0x7f)
    if (octet >= 0x80) continue
    if (text !== '') text += `.${large === undefined ? String(value) : large.toString()}`
    else if (large !== undefined) text = `2.${(large - 80n).toString()}`
    else text = value < 80 ? `${value < 40 ? '0' : '1'}.${String(value % 40)}` : `2.${String(value - 80)}`
    value = 0
    large = undefined
  }
  return text
}

/**
 * Fast path: nearly every identifier in a certificate is id-ce or id-kp and
 * one octet. It needs no arithmetic and creates no string.
 */
function familiarOid(bytes: Uint8Array, start: number, end: number): string | undefined {
  const last = bytes[end - 1] as number
  for (const { arc, prefix, texts } of familiarArcs) {
    if (prefix.length !== end - 1 - start) continue
    let at = 0
    while (at < prefix.length && bytes[start + at] === prefix[at]) at++
    if (at === prefix.length) return (texts[last] ??= `${arc}.${String(last)}`)
  }
  return undefined
}

/** The texts are created on first use, so that importing the package stays cheap. */
function familiarArc(arc: string): {
  readonly arc: string
  readonly prefix: Uint8Array
  readonly texts: (string | undefined)[]
} {
  return { arc, prefix: encodeOid(arc), texts: new Array<undefined>(128).fill(undefined) }
}

/** Refuses OID content that is empty, too long, truncated or padded. @throws ERR_OID_INVALID */
export function checkOid(bytes: Uint8Array, start: number, end: number, what?: string): void {
  if (end <= start) throw invalidOid(what, 'has no content')
  if (end - start > maxOidOctets) {
    throw invalidOid(what, `has ${String(end - start)} octets; the maximum is ${String(maxOidOctets)}`)
  }
  let first = true
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (first && octet === 0x80) throw invalidOid(what, 'has a padded sub-identifier (X.690 8.19.2)')
    first = octet < 0x80
  }
  if (!first) throw invalidOid(what, 'is truncated inside a sub-identifier')
}

function invalidOid(what: string | undefined, fault: string): PkiError {
  const field = what === undefined ? '' : `${what}: `
  return new PkiError('ERR_OID_INVALID', `${field}the object identifier ${fault}`)
}

/**
 * Content octets of a dotted object identifier.
 *
 * @throws ERR_OID_INVALID
 */
export function encodeOid(text: string): Uint8Array {
  if (text.length > 256 || !/^[0-2](\.(0|[1-9][0-9]*))+$/.test(text))
    throw new PkiError('ERR_OID_INVALID', `"${text}" is not an object identifier`)
  const arcs = text.split('.').map((arc) => BigInt(arc))
  const root = arcs[0] as bigint
  const second = arcs[1] as bigint
  if (root < 2n && second > 39n)
    throw new PkiError('ERR_OID_INVALID', `"${text}": the second arc is above 39`)
  const octets: number[] = []
  for (const arc of [root * 40n + second, ...arcs.slice(2)]) {
    const groups = [Number(arc & 0x7fn)]
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn) | 0x80)
    octets.push(...groups)
  }
  if (octets.length > maxOidOctets)
    throw new PkiError('ERR_OID_INVALID', `"${text}" is longer than ${String(maxOidOctets)} octets`)
  return Uint8Array.from(octets)
}

/** id-ce and id-kp: RFC 5280 §4.2 and §4.2.1.12; the attributes of requests: RFC 2985 §5.4. */
const familiarArcs = [
  familiarArc('2.5.29'),
  familiarArc('1.3.6.1.5.5.7.3'),
  familiarArc('1.2.840.113549.1.9'),
]
