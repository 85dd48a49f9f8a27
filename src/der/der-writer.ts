// DER encoding: one function per type, each returning a complete element (X.690 sections 8 and 10).

import { PkiError } from '../errors/index.ts'
import { encodeOid, contextConstructed, contextPrimitive, tags } from './primitives.ts'

/** An element of any tag around its content. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const content of contents) length += content.length
  const out = new Uint8Array(headerLength(length) + length)
  let at = writeHeader(out, 0, tag, length)
  for (const content of contents) {
    out.set(content, at)
    at += content.length
  }
  return out
}

/** How many octets the tag and length of an element with `length` content octets take. */
export function headerLength(length: number): number {
  return length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : length < 0x1000000 ? 5 : 6
}

/** Writes tag and length at `at`; returns the offset where the content begins. */
export function writeHeader(out: Uint8Array, at: number, tag: number, length: number): number {
  out[at] = tag
  const octets = headerLength(length) - 2
  if (octets === 0) {
    out[at + 1] = length
    return at + 2
  }
  out[at + 1] = 0x80 | octets
  for (let i = 0; i < octets; i++) out[at + 2 + i] = Math.floor(length / 256 ** (octets - 1 - i)) & 0xff
  return at + 2 + octets
}

/** SEQUENCE and SEQUENCE OF. */
export function sequence(...elements: readonly Uint8Array[]): Uint8Array {
  return element(tags.sequence, ...elements)
}

/** SET OF: the elements in ascending order of their octets (X.690 11.6). */
export function setOf(...elements: readonly Uint8Array[]): Uint8Array {
  return element(tags.set, ...[...elements].sort((a, b) => Buffer.compare(a, b)))
}

/** BOOLEAN. */
export function boolean(value: boolean): Uint8Array {
  return Uint8Array.of(tags.boolean, 1, value ? 0xff : 0)
}

/**
 * INTEGER from a number, a bigint, or content octets, which must be minimal already (X.690 8.3.2).
 * @throws ERR_INVALID_ARGUMENT
 */
export function integer(value: number | bigint | Uint8Array, tag: number = tags.integer): Uint8Array {
  if (value instanceof Uint8Array) return integerOf(value, tag)
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${String(value)} is not a safe integer`)
  const octets: number[] = []
  let rest = BigInt(value)
  for (;;) {
    const octet = Number(rest & 0xffn)
    octets.unshift(octet)
    rest >>= 8n
    if ((rest === 0n && octet < 0x80) || (rest === -1n && octet >= 0x80)) break
  }
  return element(tag, Uint8Array.from(octets))
}

function integerOf(content: Uint8Array, tag: number): Uint8Array {
  const [first, second = -1] = content
  const isPadded = (first === 0 && second >= 0 && second < 0x80) || (first === 0xff && second >= 0x80)
  if (first === undefined || isPadded)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the content octets of an INTEGER are not minimal')
  return element(tag, content)
}

/** INTEGER from an unsigned big-endian magnitude; leading zero octets are allowed. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
  let at = 0
  while (at < magnitude.length - 1 && magnitude[at] === 0) at++
  const trimmed = magnitude.subarray(at)
  if (trimmed.length === 0) return integer(0)
  return (trimmed[0] as number) >= 0x80
    ? element(tags.integer, Uint8Array.of(0), trimmed)
    : element(tags.integer, trimmed)
}

/** OBJECT IDENTIFIER from dotted text. @throws ERR_OID_INVALID */
export function oid(text: string): Uint8Array {
  return element(tags.oid, encodeOid(text))
}

/** OCTET STRING. */
export function octetString(...contents: readonly Uint8Array[]): Uint8Array {
  return element(tags.octetString, ...contents)
}

/** BIT STRING of whole octets. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(tags.bitString, noUnusedBits, bytes)
}

/**
 * A named-bit list of at most 16 bits, first named bit = bit 0 of `bits`;
 * trailing zeros are dropped (X.690 11.2.2).
 * @throws ERR_INVALID_ARGUMENT
 */
export function namedBitString(bits: number, tag: number = tags.bitString): Uint8Array {
  if (bits >>> 0 !== bits || bits > 0xffff)
    throw new PkiError('ERR_INVALID_ARGUMENT', `${String(bits)} is not a 16-bit unsigned integer`)
  let length = 0
  for (let i = 0; i < 16; i++) if ((bits >> i) & 1) length = i + 1
  const octets = new Uint8Array(Math.ceil(length / 8) + 1)
  octets[0] = (octets.length - 1) * 8 - length
  for (let i = 0; i < length; i++)
    if ((bits >> i) & 1) octets[1 + (i >> 3)] = (octets[1 + (i >> 3)] as number) | (0x80 >> (i & 7))
  return element(tag, octets)
}

/** NULL. */
export function nullElement(): Uint8Array {
  return Uint8Array.of(tags.null, 0)
}

/** UTF8String. @throws ERR_STRING_INVALID for a lone surrogate, which UTF-8 cannot encode */
export function utf8String(text: string): Uint8Array {
  if (loneSurrogate.test(text))
    throw new PkiError(
      'ERR_STRING_INVALID',
      `${JSON.stringify(text)} has a lone surrogate, which UTF-8 cannot encode`,
    )
  return element(tags.utf8String, Buffer.from(text, 'utf8'))
}

/**
 * PrintableString if the text fits it, else UTF8String: the two types that
 * RFC 5280 §4.1.2.4 allows a CA to write.
 * @throws ERR_STRING_INVALID
 */
export function directoryString(text: string): Uint8Array {
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)
    ? element(tags.printableString, Buffer.from(text, 'latin1'))
    : utf8String(text)
}

/** IA5String. @throws ERR_STRING_INVALID */
export function ia5String(text: string, tag: number = tags.ia5String): Uint8Array {
  const { length } = text
  const out = new Uint8Array(headerLength(length) + length)
  const start = writeHeader(out, 0, tag, length)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f)
      throw new PkiError(
        'ERR_STRING_INVALID',
        `character ${String(i)} of ${JSON.stringify(text)} is not ASCII, as an IA5String requires`,
      )
    out[start + i] = code
  }
  return out
}

/** `[n] EXPLICIT`, or `[n] IMPLICIT` around the content of a constructed type. */
export function explicit(n: number, ...contents: readonly Uint8Array[]): Uint8Array {
  return element(contextConstructed(n), ...contents)
}

/** `[n] IMPLICIT` around the content of a primitive type. */
export function implicit(n: number, content: Uint8Array): Uint8Array {
  return element(contextPrimitive(n), content)
}

const noUnusedBits = Uint8Array.of(0)
const loneSurrogate = /\p{Surrogate}/u
