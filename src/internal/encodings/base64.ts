// Strict base64 and base64url (RFC 4648 sections 3.5, 4 and 5): the platform's decoders ignore invalid
// characters and stop at "=".

import { PkiError } from '../../errors/index.ts'

/**
 * Octets of canonical base64: alphabet of section 4, padded, no white space, unused bits zero.
 *
 * @throws ERR_BASE64
 */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw notCanonical()
  return text.length > longText ? decodeLong(text) : decodeShort(text, false)
}

/**
 * Canonical base64 between two offsets of a text, with white space anywhere (RFC 7468 §2).
 *
 * @throws ERR_BASE64
 */
export function decodeBase64Lines(text: string, start: number, end: number): Uint8Array {
  const body = text.slice(start, end)
  return body.length > longText ? decodeBase64(body.replace(/[ \t\r\n]+/g, '')) : decodeShort(body, true)
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

/** Base64 with padding. */
export function encodeBase64(octets: Uint8Array): string {
  return octets.length > longOctets ? viewOf(octets).toString('base64') : encodeShort(octets, Infinity)
}

/** Base64 in lines of 64 characters, each ending with `\n` (RFC 7468 §2). */
export function encodeBase64Lines(octets: Uint8Array): string {
  if (octets.length > longOctets) return encodeBase64(octets).replace(/.{1,64}/g, '$&\n')
  return encodeShort(octets, lineOctets)
}

/** Base64url without padding of the octets from `start` to `end`. */
export function encodeBase64url(octets: Uint8Array, start = 0, end: number = octets.length): string {
  if (end - start > longOctets) return viewOf(octets.subarray(start, end)).toString('base64url')
  const whole = end - ((end - start) % 3)
  const at = encodeGroups(octets, start, whole, urlLetters, 0)
  return takeText(whole === end ? at : encodeRest(octets, whole, end, urlLetters, at))
}

/**
 * Decodes a text that fits into the buffer of short texts, in place of the platform's decoder, which uses the
 * widest vector instructions. After these a processor may run at a lower clock for microseconds, which slows
 * the signature that follows (measured: 14 µs a request). @throws ERR_BASE64
 */
function decodeShort(text: string, allowsSpace: boolean): Uint8Array {
  const written = shortBuffer.write(text)
  try {
    // A character outside ASCII has several octets.
    if (written !== text.length) throw notCanonical()
    const octets = new Uint8Array((written >> 2) * 3 + 3)
    const length = decodeInto(octets, written, allowsSpace)
    return octets.subarray(0, length)
  } finally {
    shortText.fill(0, 0, written) // it may be a private key
  }
}

/** Decodes the first characters of the short text; returns the number of octets. @throws ERR_BASE64 */
function decodeInto(octets: Uint8Array, length: number, allowsSpace: boolean): number {
  let at = 0
  let bits = 0
  let count = 0
  let padding = 0
  for (let i = 0; i < length; i++) {
    if (count === 0 && padding === 0) {
      const rest = decodeGroups(i, length, octets, at)
      at += ((rest - i) >> 2) * 3
      if (rest >= length) break
      i = rest
    }
    const code = shortText[i] as number
    const value = sextets[code] as number
    if (value >= 0 && padding === 0) {
      bits = (bits << 6) | value
      if (++count < 4) continue
      octets[at] = bits >> 16
      octets[at + 1] = bits >> 8
      octets[at + 2] = bits
      at += 3
      bits = 0
      count = 0
    } else if (code === equalsSign) padding++
    else if (!allowsSpace || !isWhiteSpace(code)) throw notCanonical()
  }
  return writeRest(octets, at, bits, count, padding)
}

/** Decodes groups of four characters of the alphabet; returns the offset of the first other group. */
function decodeGroups(start: number, end: number, octets: Uint8Array, at: number): number {
  let i = start
  for (; i + 4 <= end; i += 4) {
    // Negative if one of the four values is negative, which means a character outside the alphabet.
    const bits =
      ((sextets[shortText[i] as number] as number) << 18) |
      ((sextets[shortText[i + 1] as number] as number) << 12) |
      ((sextets[shortText[i + 2] as number] as number) << 6) |
      (sextets[shortText[i + 3] as number] as number)
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
  return code === lineFeed || code === 0x0d || code === 0x20 || code === 0x09
}

/**
 * Base64 of at most `longOctets` octets; `\n` ends each line of `lineOctets`. Not by the platform, for the
 * reason given at `decodeShort`.
 */
function encodeShort(octets: Uint8Array, lineOctets: number): string {
  const { length } = octets
  const whole = length - (length % 3)
  let at = 0
  for (let i = 0; i < length; i += lineOctets) {
    const end = Math.min(i + lineOctets, length)
    at = encodeGroups(octets, i, Math.min(end, whole), letters, at)
    if (end > whole) {
      at = encodeRest(octets, whole, end, letters, at)
      if (end - whole === 1) shortText[at++] = equalsSign
      shortText[at++] = equalsSign
    }
    if (lineOctets !== Infinity) shortText[at++] = lineFeed
  }
  return takeText(at)
}

/** Encodes groups of three octets into the buffer of short texts; returns the offset after them. */
function encodeGroups(
  octets: Uint8Array,
  start: number,
  end: number,
  alphabet: Uint8Array,
  at: number,
): number {
  let next = at
  for (let i = start; i < end; i += 3) {
    const bits = ((octets[i] as number) << 16) | ((octets[i + 1] as number) << 8) | (octets[i + 2] as number)
    shortText[next] = alphabet[bits >> 18] as number
    shortText[next + 1] = alphabet[(bits >> 12) & 63] as number
    shortText[next + 2] = alphabet[(bits >> 6) & 63] as number
    shortText[next + 3] = alphabet[bits & 63] as number
    next += 4
  }
  return next
}

/** Encodes the last one or two octets, without padding; returns the offset after them. */
function encodeRest(
  octets: Uint8Array,
  start: number,
  end: number,
  alphabet: Uint8Array,
  at: number,
): number {
  const isPair = end - start === 2
  const bits = ((octets[start] as number) << 16) | (isPair ? (octets[start + 1] as number) << 8 : 0)
  shortText[at] = alphabet[bits >> 18] as number
  shortText[at + 1] = alphabet[(bits >> 12) & 63] as number
  if (!isPair) return at + 2
  shortText[at + 2] = alphabet[(bits >> 6) & 63] as number
  return at + 3
}

/** The first characters of the buffer of short texts, which is cleared. */
function takeText(length: number): string {
  const text = shortBuffer.toString('latin1', 0, length)
  shortText.fill(0, 0, length)
  return text
}

/**
 * The platform's decoder is lenient: encoding its result again and comparing finds every non-canonical input.
 */
function decodeLong(text: string): Uint8Array {
  const octets = Buffer.from(text, 'base64')
  if (octets.toString('base64') !== text) throw notCanonical()
  return new Uint8Array(octets)
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

function notCanonical(): PkiError {
  return new PkiError('ERR_BASE64', 'the text is not canonical, padded base64')
}

const equalsSign = 0x3d
const lineFeed = 0x0a
const lineOctets = 48
const longText = 16 * 1024
const longOctets = 4 * 1024
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const letters = Uint8Array.from(alphabet, (letter) => letter.charCodeAt(0))
const urlLetters = Uint8Array.from(`${alphabet.slice(0, 62)}-_`, (letter) => letter.charCodeAt(0))
/** Indexed by character code: the six bits, or -1 for a character outside the alphabet. */
const sextets = Int8Array.from({ length: 256 }, (_, code) => alphabet.indexOf(String.fromCharCode(code)))
/**
 * The characters of a short text: octets are read and written faster than characters of a string. A text with
 * characters of several octets fills more of it than the text has characters, or all of it.
 */
const shortText = new Uint8Array(longText + 4)
const shortBuffer = Buffer.from(shortText.buffer)
