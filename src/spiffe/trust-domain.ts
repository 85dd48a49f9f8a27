// The name of a trust domain: SPIFFE-ID.md section 2.1.

import { inspect } from 'node:util'
import { PkiError } from '../errors/index.ts'
import {
  fault,
  grammarError,
  hasScheme,
  maxTrustDomainLength,
  notTextError,
  scanTrustDomain,
  schemeLength,
} from './grammar.ts'

/**
 * A trust domain name that conforms to the grammar. Immutable; compare with `equals`, not `===`.
 *
 * The name is compared as text: `10.0.0.1` and `xn--...` are not resolved, folded or decoded (rule ID-4).
 *
 * @example
 * ```ts
 * const trustDomain = TrustDomain.parse('example.org')
 * trustDomain.equals(TrustDomain.from('spiffe://example.org')) // true
 * ```
 */
export class TrustDomain {
  readonly #name: string

  private constructor(name: string) {
    this.#name = name
  }

  static {
    // `console.log` does not show private fields: without this, it prints an empty object.
    Object.defineProperty(this.prototype, inspect.custom, {
      value(this: TrustDomain): string {
        return #name in this ? `TrustDomain(${this.#name})` : 'TrustDomain'
      },
    })
  }

  /**
   * Reads a name (`example.org`) or the ID of a trust domain (`spiffe://example.org`, no path).
   *
   * @throws ERR_TRUST_DOMAIN_INVALID
   */
  static parse(text: string): TrustDomain {
    if (typeof text !== 'string') throw notTextError('ERR_TRUST_DOMAIN_INVALID', text)
    const found = scanName(text)
    if (found < 0) throw grammarError('ERR_TRUST_DOMAIN_INVALID', found, text)
    return new TrustDomain(text.slice(found))
  }

  /** Like `parse`, with `undefined` instead of an error. */
  static tryParse(text: string): TrustDomain | undefined {
    if (typeof text !== 'string') return undefined
    const found = scanName(text)
    return found < 0 ? undefined : new TrustDomain(text.slice(found))
  }

  /**
   * Returns the value itself, or parses its text: for options that accept either.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID
   */
  static from(value: TrustDomain | string): TrustDomain {
    return value instanceof TrustDomain ? value : TrustDomain.parse(value)
  }

  /** Orders by UTF-16 units of the name; for `sort`. */
  static readonly compare: (left: TrustDomain, right: TrustDomain) => number = (left, right) => {
    if (!(left instanceof TrustDomain) || !(right instanceof TrustDomain))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'TrustDomain.compare: expected two TrustDomain objects')
    if (left.name === right.name) return 0
    return left.name < right.name ? -1 : 1
  }

  /** `example.org`. */
  get name(): string {
    return this.#name
  }

  /** `spiffe://example.org`: the ID that a CA certificate of the trust domain may carry (rule ID-9). */
  get idString(): string {
    return `spiffe://${this.#name}`
  }

  /** Whether both are the same name. A text that is not a trust domain name equals nothing. */
  equals(other: TrustDomain | string): boolean {
    return this.#name === (other instanceof TrustDomain ? other.#name : other)
  }

  /** The name. */
  toString(): string {
    return this.#name
  }

  /** The name. */
  toJSON(): string {
    return this.#name
  }
}

/** Offset of the name in `text`, or a fault. */
function scanName(text: string): number {
  if (text.length > maxTrustDomainLength + schemeLength) return fault.trustDomainTooLong
  const start = hasScheme(text) ? schemeLength : 0
  const end = scanTrustDomain(text, start)
  if (end < 0) return end
  // After the name only a path can follow, and a trust domain has no path.
  return end === text.length ? start : fault.trustDomainCharacter
}
