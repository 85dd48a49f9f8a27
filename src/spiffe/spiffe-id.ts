// SPIFFE IDs and their paths (SPIFFE-ID.md section 2), parsed by the grammar
// and never by a URL parser (rule ID-4).

import { inspect } from 'node:util'
import { PkiError } from '../errors/index.ts'
import {
  grammarError,
  notTextError,
  quoted,
  fault,
  maxSpiffeIdLength,
  scanPath,
  scanSegment,
  scanSpiffeId,
  schemeLength,
} from './grammar.ts'
import { TrustDomain } from './trust-domain.ts'

/** Whether `text` is a path: empty, or segments that each follow a `/` (rules ID-5, ID-6). */
export function isSpiffePath(text: string): boolean {
  if (typeof text !== 'string' || text.length > maxSpiffeIdLength) return false
  return text === '' || scanPath(text, 0) === 0
}

/**
 * Refuses a text that is not a path; `''` is a path.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function assertSpiffePath(text: string): void {
  if (typeof text !== 'string') throw notTextError('ERR_SPIFFE_PATH_INVALID', text)
  if (text === '') return
  const found = text.length > maxSpiffeIdLength ? fault.tooLong : scanPath(text, 0)
  if (found !== 0) throw grammarError('ERR_SPIFFE_PATH_INVALID', found, text)
}

/**
 * Joins `['ns', 'prod']` to `/ns/prod`, no segments to `''`. A segment with a `/` in it is refused, so that
 * text from outside cannot become two segments.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function joinSpiffePath(segments: readonly string[]): string {
  // A string is iterable: `'ns'` would become `/n/s`.
  if (!Array.isArray(segments))
    throw new PkiError('ERR_SPIFFE_PATH_INVALID', 'expected an array of path segments')
  let path = ''
  for (const segment of segments) {
    if (typeof segment !== 'string') throw notTextError('ERR_SPIFFE_PATH_INVALID', segment)
    // Checked before the scan, so that a long list of long segments costs no more than the longest path.
    if (path.length + segment.length >= maxSpiffeIdLength)
      throw grammarError('ERR_SPIFFE_PATH_INVALID', fault.tooLong, path)
    const found = scanSegment(segment)
    if (found !== 0) throw grammarError('ERR_SPIFFE_PATH_INVALID', found, segment)
    path += `/${segment}`
  }
  return path
}

/**
 * Splits `/ns/prod` to `['ns', 'prod']`; `''` to an empty array.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function splitSpiffePath(path: string): string[] {
  assertSpiffePath(path)
  return path === '' ? [] : path.slice(1).split('/')
}

/** The error for a valid path that does not have the expected form. */
export function pathFormError(path: string, form: string): PkiError<'ERR_SPIFFE_PATH_INVALID'> {
  return new PkiError('ERR_SPIFFE_PATH_INVALID', `found the path ${quoted(path)}, expected ${form}`)
}

/**
 * A SPIFFE ID that conforms to the grammar: `spiffe://<trust domain>` and a path, which may be empty.
 *
 * Immutable. The text is kept unchanged, so two IDs are equal if and only if their texts are.
 *
 * @example
 * ```ts
 * const id = SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')
 * id.trustDomain.name // 'example.org'
 * id.path // '/ns/prod/sa/api'
 * ```
 */
export class SpiffeId {
  readonly #text: string
  readonly #pathStart: number
  #trustDomain: TrustDomain | undefined

  private constructor(text: string, pathStart: number) {
    this.#text = text
    this.#pathStart = pathStart
  }

  static {
    // `console.log` does not show private fields: without this, it prints an empty object.
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: SpiffeId): string {
        return #text in this ? `SpiffeId(${this.#text})` : 'SpiffeId'
      },
    })
  }

  /**
   * Reads the text form, at most 2,048 bytes.
   *
   * @throws ERR_SPIFFE_ID_INVALID, with the number of the rule (ID-1 to ID-7) in the message
   */
  static parse(text: string): SpiffeId {
    if (typeof text !== 'string') throw notTextError('ERR_SPIFFE_ID_INVALID', text)
    const found = scanSpiffeId(text)
    if (found < 0) throw grammarError('ERR_SPIFFE_ID_INVALID', found, text)
    return new SpiffeId(text, found)
  }

  /** Like `parse`, with `undefined` instead of an error. */
  static tryParse(text: string): SpiffeId | undefined {
    if (typeof text !== 'string') return undefined
    const found = scanSpiffeId(text)
    return found < 0 ? undefined : new SpiffeId(text, found)
  }

  /**
   * Returns the value itself, or parses its text: for options that accept either.
   *
   * @throws ERR_SPIFFE_ID_INVALID
   */
  static from(value: SpiffeId | string): SpiffeId {
    return value instanceof SpiffeId ? value : SpiffeId.parse(value)
  }

  /**
   * The ID of a trust domain and a path (`''`, or `/` and segments).
   *
   * @throws ERR_SPIFFE_PATH_INVALID, ERR_TRUST_DOMAIN_INVALID
   * @throws ERR_SPIFFE_ID_INVALID the whole would be longer than 2,048 bytes
   */
  static fromPath(trustDomain: TrustDomain | string, path: string): SpiffeId {
    assertSpiffePath(path)
    return SpiffeId.#join(TrustDomain.from(trustDomain), path)
  }

  /**
   * The ID of a trust domain and path segments; each is checked separately, and a `/` in one is refused.
   *
   * @throws ERR_SPIFFE_PATH_INVALID, ERR_TRUST_DOMAIN_INVALID, ERR_SPIFFE_ID_INVALID
   */
  static fromSegments(trustDomain: TrustDomain | string, segments: readonly string[]): SpiffeId {
    return SpiffeId.#join(TrustDomain.from(trustDomain), joinSpiffePath(segments))
  }

  /** Orders by UTF-16 units of the text; for `sort`. */
  static readonly compare: (left: SpiffeId, right: SpiffeId) => number = (left, right) => {
    if (!(left instanceof SpiffeId) || !(right instanceof SpiffeId))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'SpiffeId.compare: expected two SpiffeId objects')
    if (left.#text === right.#text) return 0
    return left.#text < right.#text ? -1 : 1
  }

  /** The trust domain of this ID; its bundle verifies SVIDs with this ID. */
  get trustDomain(): TrustDomain {
    // Created on demand: many callers compare whole IDs only.
    return (this.#trustDomain ??= TrustDomain.parse(this.trustDomainName))
  }

  /** The name of the trust domain. */
  get trustDomainName(): string {
    return this.#text.slice(schemeLength, this.#pathStart)
  }

  /** `/ns/prod/sa/api`, or `''`: the ID of the trust domain itself has no path (rule ID-9). */
  get path(): string {
    return this.#text.slice(this.#pathStart)
  }

  /** Whether the path is not empty; a leaf SVID must have one (rule X-2). */
  get hasPath(): boolean {
    return this.#pathStart < this.#text.length
  }

  /** The segments of the path; empty for the ID of a trust domain. */
  get segments(): readonly string[] {
    return Object.freeze(splitSpiffePath(this.path))
  }

  /** Whether this ID belongs to the trust domain: the names are the same, byte for byte. */
  memberOf(trustDomain: TrustDomain | string): boolean {
    return trustDomain instanceof TrustDomain
      ? this.trustDomainName === trustDomain.name
      : this.trustDomainName === trustDomain
  }

  /** Whether both are the same ID. A text that is not a SPIFFE ID equals nothing. */
  equals(other: SpiffeId | string): boolean {
    return this.#text === (other instanceof SpiffeId ? other.#text : other)
  }

  /**
   * This ID with `path` (`/` and segments) after its own.
   *
   * @throws ERR_SPIFFE_PATH_INVALID, ERR_SPIFFE_ID_INVALID
   */
  appendPath(path: string): SpiffeId {
    assertSpiffePath(path)
    return SpiffeId.#join(this.trustDomain, this.path + path)
  }

  /**
   * This ID with segments after its path.
   *
   * @throws ERR_SPIFFE_PATH_INVALID, ERR_SPIFFE_ID_INVALID
   */
  appendSegments(segments: readonly string[]): SpiffeId {
    return SpiffeId.#join(this.trustDomain, this.path + joinSpiffePath(segments))
  }

  /**
   * The ID of the same trust domain with another path; `''` gives the ID of the trust domain.
   *
   * @throws ERR_SPIFFE_PATH_INVALID, ERR_SPIFFE_ID_INVALID
   */
  withPath(path: string): SpiffeId {
    return SpiffeId.fromPath(this.trustDomain, path)
  }

  /**
   * The same path in another trust domain.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID, ERR_SPIFFE_ID_INVALID
   */
  withTrustDomain(trustDomain: TrustDomain | string): SpiffeId {
    return SpiffeId.#join(TrustDomain.from(trustDomain), this.path)
  }

  /** The text form. */
  toString(): string {
    return this.#text
  }

  /** The text form. */
  toJSON(): string {
    return this.#text
  }

  /** Both parts are checked already; only the total length is left. */
  static #join(trustDomain: TrustDomain, path: string): SpiffeId {
    const prefix = trustDomain.idString
    if (prefix.length + path.length > maxSpiffeIdLength) {
      throw grammarError('ERR_SPIFFE_ID_INVALID', fault.tooLong, prefix + path)
    }
    return new SpiffeId(prefix + path, prefix.length)
  }
}
