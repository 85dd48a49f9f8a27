// Comparing and joining octets, and strict base64 and base64url (RFC 4648 sections 3.5, 4 and 5), because the
// platform's decoders ignore invalid characters and stop at "=".

import { PkiError } from '../errors/index.ts'
import { nameOf } from './options.ts'

/** The value, if it is a Uint8Array. @throws ERR_INVALID_ARGUMENT for any other type */
export function requireOctets(octets: Uint8Array, what: string): Uint8Array {
  if (octets instanceof Uint8Array) {
    if (octets.length === 0) refuseDetached(octets, what)
    return octets
  }
  throw new PkiError('ERR_INVALID_ARGUMENT', `${what} must be a Uint8Array, found ${nameOf(octets)}`)
}

/**
 * Octets whose ArrayBuffer was transferred to another thread are empty, and copying them throws a TypeError.
 */
function refuseDetached(octets: Uint8Array, what: string): void {
  try {
    new Uint8Array(octets)
  } catch (cause) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `${what}: its ArrayBuffer was transferred`, { cause })
  }
}

/** Whether both hold the same octets. Not constant-time: do not use it for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a
  // The last octet is compared first, without a call into the platform: unequal keys mostly differ there.
  return a === b || (length === b.length && a[length - 1] === b[length - 1] && Buffer.compare(a, b) === 0)
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Upper-case hexadecimal. Short octets, such as serial numbers, are written into one buffer. */
export function toUpperHex(octets: Uint8Array): string {
  const { length } = octets
  if (length > shortOctets) return toHex(octets).toUpperCase()
  for (let at = 0; at < length; at++) {
    const octet = octets[at] as number
    digits[2 * at] = hexDigits.charCodeAt(octet >> 4)
    digits[2 * at + 1] = hexDigits.charCodeAt(octet & 15)
  }
  return digits.toString('latin1', 0, 2 * length)
}

/** A key for maps: one character per octet. */
export function bytesKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/**
 * Octets of canonical base64: alphabet of section 4, padded, no white space, unused bits zero.
 *
 * Short texts are decoded here in place of the platform's decoder, which uses the
 * widest vector instructions. After these a processor may run at a lower clock for
 * microseconds, which slows the signature that follows (measured: 14 µs a request).
 *
 * @throws ERR_BASE64
 */
export function decodeBase64(text: string): Uint8Array {
  const { length } = text
  if (length % 4 !== 0) throw notCanonical()
  if (length > longText) return decodeLong(text)
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const octets = new Uint8Array((length / 4) * 3 - padding)
  const whole = padding === 0 ? length : length - 4
  if (decodeGroups(text, 0, whole, octets, 0) !== whole) throw notCanonical()
  let bits = 0
  for (let i = whole; i < length - padding; i++) bits = (bits << 6) | sextet(text, i)
  if (bits < 0) throw notCanonical()
  writeRest(octets, (whole / 4) * 3, bits, padding === 0 ? 0 : 4 - padding, padding)
  return octets
}

/**
 * Canonical base64 between two offsets of a text, with white space anywhere
 * (RFC 7468 §2). Short texts are decoded in one pass.
 *
 * @throws ERR_BASE64
 */
export function decodeBase64Lines(text: string, start: number, end: number): Uint8Array {
  if (end - start > longText) return decodeBase64(text.slice(start, end).replace(/[ \t\r\n]+/g, ''))
  const octets = new Uint8Array(((end - start) >> 2) * 3 + 3)
  let at = 0
  let bits = 0
  let count = 0
  let padding = 0
  for (let i = start; i < end; i++) {
    if (count === 0 && padding === 0) {
      const rest = decodeGroups(text, i, end, octets, at)
      at += ((rest - i) >> 2) * 3
      if (rest >= end) break
      i = rest
    }
    const value = sextet(text, i)
    if (value >= 0 && padding === 0) {
      bits = (bits << 6) | value
      if (++count < 4) continue
      octets[at] = bits >> 16
      octets[at + 1] = bits >> 8
      octets[at + 2] = bits
      at += 3
      bits = 0
      count = 0
    } else if (text.charCodeAt(i) === 0x3d) padding++
    else if (!isWhiteSpace(text.charCodeAt(i))) throw notCanonical()
  }
  return octets.subarray(0, writeRest(octets, at, bits, count, padding))
}

/** Decodes groups of four characters of the alphabet; returns the offset of the first other group. */
function decodeGroups(text: string, start: number, end: number, octets: Uint8Array, at: number): number {
  let i = start
  for (; i + 4 <= end; i += 4) {
    // No destructuring: the compiler of Node 24 makes two arrays for each group of it.
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    if ((a | b | c | d) >= 128) return i
    // Negative if one of the four values is negative, which means a character outside the alphabet.
    const bits =
      ((sextets[a] as number) << 18) |
      ((sextets[b] as number) << 12) |
      ((sextets[c] as number) << 6) |
      (sextets[d] as number)
    if (bits < 0) return i
    octets[at] = bits >> 16
    octets[at + 1] = bits >> 8
    octets[at + 2] = bits
    at += 3
  }
  return i
}

/**
 * Decodes the last one or two octets: three characters and one "=", or two and two; unused bits must be zero
 * (RFC 4648 §3.5). Returns the offset after them.
 */
function writeRest(octets: Uint8Array, at: number, bits: number, count: number, padding: number): number {
  if (count === 0 && padding === 0) return at
  if (count === 2 && padding === 2 && (bits & 15) === 0) {
    octets[at] = bits >> 4
    return at + 1
  }
  if (count !== 3 || padding !== 1 || (bits & 3) !== 0) throw notCanonical()
  octets[at] = bits >> 10
  octets[at + 1] = bits >> 2
  return at + 2
}

function isWhiteSpace(code: number): boolean {
  return code === 0x0a || code === 0x0d || code === 0x20 || code === 0x09
}

/** Base64 with padding. Short inputs are encoded by a table, for the reason given at `decodeBase64`. */
export function encodeBase64(octets: Uint8Array): string {
  if (octets.length > longOctets)
    return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('base64')
  const whole = octets.length - (octets.length % 3)
  const pairs = (standardPairs ??= pairsOf(alphabet))
  const text = encodeWhole(octets, 0, whole, pairs)
  const rest = octets.length - whole
  if (rest === 0) return text
  const bits = ((octets[whole] as number) << 16) | (rest === 2 ? (octets[whole + 1] as number) << 8 : 0)
  const pair = pairs[bits >> 12] as string
  return rest === 2 ? `${text}${pair}${(pairs[bits & 0xfff] as string).charAt(0)}=` : `${text}${pair}==`
}

/**
 * Base64 in lines of 64 characters, each ending with `\n` (RFC 7468 §2). Short inputs are encoded by a table,
 * for the reason given at `decodeBase64`.
 */
export function encodeBase64Lines(octets: Uint8Array): string {
  const { length } = octets
  if (length > longOctets) return encodeBase64(octets).replace(/.{1,64}/g, '$&\n')
  line ??= { text: Buffer.alloc(Math.ceil(longOctets / 48) * 65), letters: Buffer.from(alphabet, 'latin1') }
  const { text, letters } = line
  let at = 0
  for (let i = 0; i < length; i += 3) {
    const bits = ((octets[i] as number) << 16) | ((octets[i + 1] ?? 0) << 8) | (octets[i + 2] ?? 0)
    text[at] = letters[bits >> 18] as number
    text[at + 1] = letters[(bits >> 12) & 63] as number
    text[at + 2] = i + 1 < length ? (letters[(bits >> 6) & 63] as number) : 0x3d
    text[at + 3] = i + 2 < length ? (letters[bits & 63] as number) : 0x3d
    at += 4
    if (i % 48 === 45) text[at++] = 0x0a
  }
  if (length > 0 && text[at - 1] !== 0x0a) text[at++] = 0x0a
  return text.toString('latin1', 0, at)
}

/**
 * Base64url without padding of the octets from `start` to `end`; for short
 * values, such as the coordinates of a key.
 */
export function encodeBase64url(octets: Uint8Array, start = 0, end: number = octets.length): string {
  const length = end - start
  if (length > shortOctets)
    return Buffer.from(octets.buffer, octets.byteOffset + start, length).toString('base64url')
  let at = 0
  for (let i = start; i < end; i += 3) {
    const second = i + 1 < end ? (octets[i + 1] as number) : 0
    const third = i + 2 < end ? (octets[i + 2] as number) : 0
    const bits = ((octets[i] as number) << 16) | (second << 8) | third
    digits[at] = urlAlphabet.charCodeAt(bits >> 18)
    digits[at + 1] = urlAlphabet.charCodeAt((bits >> 12) & 63)
    digits[at + 2] = urlAlphabet.charCodeAt((bits >> 6) & 63)
    digits[at + 3] = urlAlphabet.charCodeAt(bits & 63)
    at += 4
  }
  return digits.toString('latin1', 0, Math.ceil((length * 4) / 3))
}

/**
 * Octets of canonical base64url without padding.
 *
 * @throws ERR_BASE64
 */
export function decodeBase64url(text: string): Uint8Array {
  return new Uint8Array(readBase64url(text))
}

/**
 * Like `decodeBase64url`, for octets that are read at once and not kept: they may be a view of Buffer's pool,
 * which costs the garbage collector less.
 *
 * @throws ERR_BASE64
 */
export function readBase64url(text: string): Uint8Array {
  // As in `decodeLong`, only the canonical text is equal to the result encoded again.
  const octets = Buffer.from(text, 'base64url')
  if (octets.toString('base64url') === text) return octets
  throw new PkiError('ERR_BASE64', 'the text is not canonical base64url')
}

/** The six bits of a character; -1 outside the alphabet, which makes the bits of its group negative. */
function sextet(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? (sextets[code] as number) : -1
}

/**
 * The platform's decoder is lenient: encoding its result again and comparing finds every non-canonical input.
 */
function decodeLong(text: string): Uint8Array {
  const octets = Buffer.from(text, 'base64')
  if (octets.toString('base64') !== text) throw notCanonical()
  return new Uint8Array(octets)
}

function notCanonical(): PkiError {
  return new PkiError('ERR_BASE64', 'the text is not canonical, padded base64')
}

function encodeWhole(octets: Uint8Array, start: number, end: number, table: readonly string[]): string {
  let text = ''
  for (let i = start; i < end; i += 3) {
    const bits = ((octets[i] as number) << 16) | ((octets[i + 1] as number) << 8) | (octets[i + 2] as number)
    text += (table[bits >> 12] as string) + (table[bits & 0xfff] as string)
  }
  return text
}

/** Every pair of characters, indexed by the twelve bits that it encodes. */
function pairsOf(letters: string): string[] {
  return Array.from({ length: 4096 }, (_, bits) => letters.charAt(bits >> 6) + letters.charAt(bits & 63))
}

const shortOctets = 32
const digits = Buffer.alloc(2 * shortOctets)
const hexDigits = '0123456789ABCDEF'
const longText = 16 * 1024
const longOctets = 4 * 1024
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const urlAlphabet = `${alphabet.slice(0, 62)}-_`
/** Indexed by character code: the six bits, or -1 for a character outside the alphabet. */
const sextets = Int8Array.from({ length: 128 }, (_, code) => alphabet.indexOf(String.fromCharCode(code)))
/** A reusable buffer for one PEM body, and the alphabet as octets. */
let line: { readonly text: Buffer; readonly letters: Buffer } | undefined
// Created with the first text, so that importing the package stays cheap.
let standardPairs: readonly string[] | undefined
