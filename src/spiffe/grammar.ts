// The grammar of SPIFFE-ID.md section 2 (rules ID-1 to ID-8) as scans over UTF-16 units.
// Nothing is decoded, folded or normalised.

/** Rule ID-7: the longest SPIFFE ID that every implementation must support, in bytes. */
export const maxSpiffeIdLength = 2048

/** Rule ID-7: the longest trust domain name, in bytes (RFC 3986 section 3.2.2, as SPIFFE-ID.md 2.1 cites it). */
export const maxTrustDomainLength = 255

/** `spiffe://`: where the trust domain begins. */
export const schemeLength = 9

/** What a scan found wrong, as a negative number; the offset of the path otherwise. */
export const fault = {
  empty: -1,
  tooLong: -2,
  scheme: -3,
  trustDomainMissing: -4,
  trustDomainTooLong: -5,
  trustDomainCharacter: -6,
  pathStart: -7,
  segmentEmpty: -8,
  segmentDot: -9,
  segmentCharacter: -10,
  trailingSlash: -11,
} as const

/** One of `fault`. */
export type Fault = (typeof fault)[keyof typeof fault]

/** Offset of the path in a SPIFFE ID (the length if it has none), or a `Fault`. */
export function scanSpiffeId(text: string): number {
  const { length } = text
  // Every legal character is one byte, so the count of UTF-16 units is the length in bytes of anything that passes below.
  if (length > maxSpiffeIdLength) return fault.tooLong
  if (!hasScheme(text)) return length === 0 ? fault.empty : fault.scheme
  const end = scanTrustDomain(text, schemeLength)
  if (end < 0 || end === length) return end
  const pathFault = scanPath(text, end)
  return pathFault === 0 ? end : pathFault
}

/** Offset of the first character after the trust domain name that begins at `start` (`/` or the end), or a `Fault`. */
export function scanTrustDomain(text: string, start: number): number {
  const { length } = text
  let at = start
  let character = 0
  for (; at < length; at++) {
    character = text.charCodeAt(at)
    if (character > 127 || trustDomainCharacters[character] === 0) break
  }
  if (at < length && character !== slash) return fault.trustDomainCharacter
  if (at === start) return fault.trustDomainMissing
  return at - start > maxTrustDomainLength ? fault.trustDomainTooLong : at
}

/** 0 if `text` from `start` to its end is a non-empty path, else a `Fault`. */
export function scanPath(text: string, start: number): Fault | 0 {
  const { length } = text
  let at = start
  let character = at < length ? text.charCodeAt(at) : 0
  if (character !== slash) return fault.pathStart
  while (at < length) {
    if (character !== slash) return fault.segmentCharacter
    const segment = ++at
    for (; at < length; at++) {
      character = text.charCodeAt(at)
      if (character > 127 || segmentCharacters[character] === 0) break
    }
    const size = at - segment
    if (size < 3) {
      if (size === 0) return emptySegment(text, at)
      if (text.charCodeAt(segment) === dot && (size === 1 || text.charCodeAt(segment + 1) === dot)) {
        if (at === length || character === slash) return fault.segmentDot
      }
    }
  }
  return 0
}

/** 0 if `text` is one legal path segment, else a `Fault`. */
export function scanSegment(text: string): Fault | 0 {
  if (text.length === 0) return fault.segmentEmpty
  if (text === '.' || text === '..') return fault.segmentDot
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character > 127 || segmentCharacters[character] === 0) return fault.segmentCharacter
  }
  return 0
}

/** Rule ID-8: the scheme is matched as it must be written; upper case is refused, not folded. */
export function hasScheme(text: string): boolean {
  // Unit by unit: several times as fast as `startsWith` on the hot path.
  return (
    text.charCodeAt(0) === 0x73 &&
    text.charCodeAt(1) === 0x70 &&
    text.charCodeAt(2) === 0x69 &&
    text.charCodeAt(3) === 0x66 &&
    text.charCodeAt(4) === 0x66 &&
    text.charCodeAt(5) === 0x65 &&
    text.charCodeAt(6) === 0x3a &&
    text.charCodeAt(7) === slash &&
    text.charCodeAt(8) === slash
  )
}

/** Which fault a segment of no legal characters is: it ends the text, another `/` follows, or a foreign character does. */
function emptySegment(text: string, at: number): Fault {
  if (at === text.length) return fault.trailingSlash
  return text.charCodeAt(at) === slash ? fault.segmentEmpty : fault.segmentCharacter
}

function characterTable(characters: string): Uint8Array {
  const table = new Uint8Array(128)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

const slash = 0x2f
const dot = 0x2e
const lowerCase = 'abcdefghijklmnopqrstuvwxyz'
/** Rule ID-3. */
const trustDomainCharacters: Uint8Array = characterTable(`${lowerCase}0123456789.-_`)
/** Rule ID-5. */
const segmentCharacters: Uint8Array = characterTable(`${lowerCase}${lowerCase.toUpperCase()}0123456789.-_`)
