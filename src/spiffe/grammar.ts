// The grammar of SPIFFE-ID.md section 2 (rules ID-1 to ID-8) as scans over UTF-16 units, without decoding,
// case folding or normalisation.

import { PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'

/** Rule ID-7: the longest SPIFFE ID that every implementation must support, in bytes. */
export const maxSpiffeIdLength = 2048

/**
 * Rule ID-7: the longest trust domain name, in bytes (RFC 3986 section 3.2.2, as SPIFFE-ID.md 2.1 cites it).
 */
export const maxTrustDomainLength = 255

/** `spiffe://`: where the trust domain begins. */
export const schemeLength = 9

/** The fault that a scan found, as a negative number; otherwise the result is an offset. */
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

/** A value of `fault`. */
export type Fault = (typeof fault)[keyof typeof fault]

/** The offset of the path in a SPIFFE ID (the length if it has none), or a `Fault`. */
export function scanSpiffeId(text: string): number {
  const { length } = text
  // Every legal character is one byte, so the number of UTF-16 units equals
  // the length in bytes for any text that passes.
  if (length > maxSpiffeIdLength) return fault.tooLong
  if (!hasScheme(text)) return length === 0 ? fault.empty : fault.scheme
  const end = scanTrustDomain(text, schemeLength)
  if (end < 0 || end === length) return end
  const pathFault = scanPath(text, end)
  return pathFault === 0 ? end : pathFault
}

/**
 * Offset of the first character after the trust domain name that begins at
 * `start` (`/` or the end), or a `Fault`.
 */
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

/** Rule ID-8: the scheme must be lower case; upper case is refused, not folded. */
export function hasScheme(text: string): boolean {
  // Compared unit by unit: several times as fast as `startsWith` on this hot path.
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

/**
 * The fault of a segment without legal characters: end of text, an empty segment before `/`, or an illegal
 * character.
 */
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

/** The error for a fault found in `text`, under the code of what was being parsed. */
export function grammarError<Code extends SpiffeErrorCode>(
  code: Code,
  found: number,
  text: string,
): PkiError<Code> {
  const { rule, reason } = reasons[found as Fault]
  return new PkiError(code, `${subjects[code]} ${quoted(text)}: ${reason} (${rule})`)
}

/** The error for a value that is not a string. */
export function notTextError<Code extends SpiffeErrorCode>(code: Code, value: unknown): PkiError<Code> {
  return new PkiError(
    code,
    `${subjects[code]}: found ${value === null ? 'null' : typeof value}, expected a string (ID-1)`,
  )
}

/**
 * `text` in double quotes, cut at 128 units, with everything but printable
 * ASCII escaped, because it may come from a peer and be logged.
 */
export function quoted(text: string): string {
  let out = '"'
  for (let at = 0; at < text.length; at++) {
    if (at === maxQuoted) return `${out}…" (${text.length} characters)`
    const unit = text.charCodeAt(at)
    const plain = unit > 0x1f && unit < 0x7f && unit !== 0x22 && unit !== 0x5c
    out += plain ? text.charAt(at) : `\\u${unit.toString(16).padStart(4, '0')}`
  }
  return `${out}"`
}

type SpiffeErrorCode = Extract<
  PkiErrorCode,
  'ERR_SPIFFE_ID_INVALID' | 'ERR_TRUST_DOMAIN_INVALID' | 'ERR_SPIFFE_PATH_INVALID'
>

const maxQuoted = 128

const subjects: Readonly<Record<SpiffeErrorCode, string>> = {
  ERR_SPIFFE_ID_INVALID: 'not a SPIFFE ID',
  ERR_TRUST_DOMAIN_INVALID: 'not a trust domain name',
  ERR_SPIFFE_PATH_INVALID: 'not the path of a SPIFFE ID',
}

const reasons: Readonly<Record<Fault, { readonly rule: string; readonly reason: string }>> = {
  [fault.empty]: { rule: 'ID-1', reason: 'it is empty' },
  [fault.tooLong]: { rule: 'ID-7', reason: `it is longer than ${maxSpiffeIdLength} bytes` },
  [fault.scheme]: { rule: 'ID-1', reason: 'it does not begin with spiffe:// in lower case' },
  [fault.trustDomainMissing]: { rule: 'ID-1', reason: 'the trust domain is empty' },
  [fault.trustDomainTooLong]: {
    rule: 'ID-7',
    reason: `the trust domain is longer than ${maxTrustDomainLength} bytes`,
  },
  [fault.trustDomainCharacter]: {
    rule: 'ID-3',
    reason: 'a trust domain has only the characters a-z 0-9 . - _',
  },
  [fault.pathStart]: { rule: 'ID-6', reason: 'a path begins with /' },
  [fault.segmentEmpty]: { rule: 'ID-6', reason: 'a path segment is empty' },
  [fault.segmentDot]: { rule: 'ID-6', reason: 'a path segment is . or ..' },
  [fault.segmentCharacter]: {
    rule: 'ID-5',
    reason: 'a path segment has only the characters a-z A-Z 0-9 . - _',
  },
  [fault.trailingSlash]: { rule: 'ID-6', reason: 'it ends with /' },
}
