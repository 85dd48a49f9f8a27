// A distinguished name: its DER, its RDNs, its text and its comparison with others.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { equalBytes, requireOctets } from '../../internal/bytes.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { encodeAttributes, requireAttributeOid } from './attribute-types.ts'
import type { NameAttribute } from './attribute-types.ts'
import { knownComparisonKey, rememberName } from './known-names.ts'
import { rdnComparisonKey } from './name-comparison.ts'
import { formatDistinguishedName, parseDistinguishedName } from './name-text.ts'
import { readRdns } from './relative-names.ts'
import type { RelativeDistinguishedName } from './relative-names.ts'

/**
 * A distinguished name as a view over its DER, decoded on first use.
 *
 * @example
 * ```ts
 * DistinguishedName.parse('CN=web,O=Example').equals(DistinguishedName.parse('CN=WEB, O=example')) // true
 * ```
 */
export class DistinguishedName {
  /** DER of the RDNSequence, as found. */
  readonly der: Uint8Array
  readonly #tolerances: readonly Tolerance[]
  /** The field that the name is read from, for messages. */
  readonly #field: string | undefined
  #rdns: readonly RelativeDistinguishedName[] | undefined
  #comparisonKey: string | undefined

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[] = noTolerances, field?: string) {
    this.der = der
    this.#tolerances = tolerances
    this.#field = field
  }

  /**
   * A name over a copy of the DER of a whole RDNSequence; the content is checked on first use.
   *
   * @throws ERR_INVALID_ARGUMENT if the value is not octets
   */
  static fromDer(der: Uint8Array, tolerances: readonly Tolerance[] = noTolerances): DistinguishedName {
    return new DistinguishedName(new Uint8Array(requireOctets(der, 'the DER of a name')), tolerances)
  }

  /**
   * A name over octets that never change: those of a copied certificate. Messages name the `field`.
   *
   * @internal
   */
  static over(der: Uint8Array, tolerances: readonly Tolerance[], field: string): DistinguishedName {
    return new DistinguishedName(der, tolerances, field)
  }

  /**
   * A name from RFC 4514 text, most specific attribute first:
   * `CN=web,O=Example`. Values may be `#` and hexadecimal DER.
   *
   * @throws ERR_NAME_INVALID; ERR_OID_INVALID, ERR_STRING_INVALID for a type or a value that cannot be
   *   encoded; ERR_DER for hexadecimal that is not DER; ERR_INVALID_ARGUMENT for another type than string
   */
  static parse(text: string): DistinguishedName {
    if (typeof text !== 'string')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'a name must be RFC 4514 text, such as CN=web,O=Example, or a DistinguishedName, ' +
          `found ${nameOf(text)}`,
      )
    const attributes = parseDistinguishedName(text)
    const name = new DistinguishedName(encodeAttributes(attributes))
    if (attributes.some((rdn) => rdn.some(([, value]) => typeof value !== 'string'))) void name.rdns
    return name
  }

  /**
   * A name from either form: RFC 4514 text, or one that was parsed.
   * @throws ERR_INVALID_ARGUMENT for anything else; as `parse`
   */
  static from(name: DistinguishedName | string): DistinguishedName {
    if (name instanceof DistinguishedName) return name
    return DistinguishedName.parse(name)
  }

  /**
   * A name of one attribute per RDN, in the order of the encoding (most
   * general first): `of([['O', 'Example'], ['CN', 'web']])`.
   *
   * @throws ERR_NAME_INVALID, ERR_OID_INVALID, ERR_STRING_INVALID, ERR_INVALID_ARGUMENT
   */
  static of(attributes: readonly NameAttribute[]): DistinguishedName {
    const isText = (one: unknown): boolean =>
      Array.isArray(one) && typeof one[0] === 'string' && typeof one[1] === 'string'
    if (!isListOf(attributes, isText))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a name must be an array of [type, text] pairs')
    return new DistinguishedName(encodeAttributes(attributes.map((attribute) => [attribute])))
  }

  /** Whether there are no attributes. */
  get isEmpty(): boolean {
    return this.der.length === 2
  }

  /**
   * The relative distinguished names in the order of the encoding.
   * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID; ERR_LIMIT_EXCEEDED above 256
   * attributes
   */
  get rdns(): readonly RelativeDistinguishedName[] {
    this.#rdns ??= freezeDeep(this.#readRdns())
    return this.#rdns
  }

  #readRdns(): RelativeDistinguishedName[] {
    try {
      return readRdns(this.der, this.#tolerances)
    } catch (cause) {
      if (!isPkiError(cause) || this.#field === undefined) throw cause
      throw new PkiError(cause.code, `${this.#field}: ${cause.message}`, { cause })
    }
  }

  /**
   * The text values of an attribute type, by short name or object identifier, in the order of the encoding.
   * @throws ERR_NAME_INVALID for an unknown short name; as `rdns`
   */
  values(type: string): readonly string[] {
    const oid = requireAttributeOid(type)
    return this.rdns
      .flat()
      .flatMap((attribute) =>
        attribute.type === oid && attribute.value !== undefined ? [attribute.value] : [],
      )
  }

  /** RFC 4514 text, most specific attribute first. @throws as `rdns` */
  toString(): string {
    return formatDistinguishedName(this.rdns)
  }

  /** The same as `toString`, for JSON. */
  toJSON(): string {
    return this.toString()
  }

  /**
   * A key that is equal exactly for names that RFC 5280 §7.1 treats as equal
   * (ignoring case, white space and string types).
   * @throws as `rdns`
   */
  get comparisonKey(): string {
    this.#comparisonKey ??= this.#readComparisonKey()
    return this.#comparisonKey
  }

  /** Decodes the whole name, except one that was decoded before. @throws as `rdns` @internal */
  check(): void {
    this.#comparisonKey ??= this.#known()
    if (this.#comparisonKey === undefined) void this.rdns
  }

  #readComparisonKey(): string {
    const known = this.#known()
    if (known !== undefined) return known
    const key = this.rdns.map(rdnComparisonKey).join('\u0001')
    if (this.#tolerances.length === 0) rememberName(this.der, key)
    return key
  }

  /** The cached key; only names that were read without a tolerance are cached. */
  #known(): string | undefined {
    return this.#tolerances.length === 0 ? knownComparisonKey(this.der) : undefined
  }

  /** Whether both are the same name (RFC 5280 §7.1). */
  equals(other: DistinguishedName): boolean {
    return equalBytes(this.der, other.der) || this.comparisonKey === other.comparisonKey
  }
}

function isListOf(list: unknown, isOne: (value: unknown) => boolean): boolean {
  // `every` passes over the holes of a sparse array; `Array.from` fills them.
  return Array.isArray(list) && Array.from(list as unknown[]).every(isOne)
}
