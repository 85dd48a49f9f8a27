// Distinguished names: read by RFC 5280 section 4.1.2.4, compared by section 7.1, and as RFC 4514 text.

import { checkWellFormed, isStringTag, oidContent, readWhole, stringContent, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { freezeDeep } from '../../internal/freeze-deep.ts'
import { acceptedBy, noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { attributeName, encodeAttributes, isKnownAttribute, requireAttributeOid } from './attribute-types.ts'
import type { EncodableAttribute, NameAttribute } from './attribute-types.ts'

interface TextAttribute {
  readonly type: string
  readonly value: string | undefined
  readonly der: Uint8Array
}

/** RFC 4514 §2: the last RDN first, `,` between RDNs, `+` inside one. */
function formatDistinguishedName(rdns: readonly (readonly TextAttribute[])[]): string {
  return [...rdns]
    .reverse()
    .map((rdn) => rdn.map(formatAttribute).join('+'))
    .join(',')
}

/** The attributes of RFC 4514 text in the order of the encoding. @throws ERR_NAME_INVALID */
function parseDistinguishedName(text: string): EncodableAttribute[][] {
  if (text.length > maxTextLength)
    throw new PkiError(
      'ERR_NAME_INVALID',
      `the name has ${String(text.length)} characters; at most ${String(maxTextLength)} are read`,
    )
  if (text === '') return []
  const rdns: EncodableAttribute[][] = []
  let rdn: EncodableAttribute[] = []
  let at = 0
  for (;;) {
    const equals = text.indexOf('=', at)
    if (equals < 0) throw invalid(text, at, 'an attribute has no "="')
    const type = text.slice(at, equals).trim()
    const value = readValue(text, equals + 1)
    rdn.push([type, value.content])
    at = value.end
    const separator = text[at]
    if (separator !== '+') {
      rdns.unshift(rdn)
      rdn = []
    }
    if (separator === undefined) return rdns
    at++
  }
}

function readValue(text: string, from: number): { content: string | Uint8Array; end: number } {
  let at = from
  while (text[at] === ' ') at++
  if (text[at] === '#') return readHexValue(text, at)
  const octets: number[] = []
  let kept = 0
  for (; at < text.length; at++) {
    const character = text[at] as string
    if (character === ',' || character === '+') break
    if ('"<>;'.includes(character)) throw invalid(text, at, `an unescaped ${character}`)
    if (character === '\\') {
      const pair = text.slice(at + 1, at + 3)
      const escaped = text[at + 1]
      if (/^[0-9a-fA-F]{2}$/.test(pair)) {
        octets.push(Number.parseInt(pair, 16))
        at += 2
      } else if (escaped !== undefined && ' "#+,;<=>\\'.includes(escaped)) {
        octets.push(escaped.charCodeAt(0))
        at += 1
      } else {
        throw invalid(text, at, 'a backslash without a character to escape')
      }
      kept = octets.length
      continue
    }
    const point = String.fromCodePoint(text.codePointAt(at) as number)
    if (/\p{Cs}/u.test(point)) throw invalid(text, at, 'a lone surrogate')
    octets.push(...Buffer.from(point, 'utf8'))
    at += point.length - 1
    if (character !== ' ') kept = octets.length
  }
  // Trailing blanks are not part of the value unless escaped (RFC 4514 §3).
  try {
    return {
      content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        Uint8Array.from(octets.slice(0, kept)),
      ),
      end: at,
    }
  } catch (cause) {
    throw new PkiError('ERR_NAME_INVALID', 'escaped octets are not UTF-8', { cause })
  }
}

/** `#` and the DER of the value in hexadecimal (RFC 4514 §2.4); the DER is checked with the whole name. */
function readHexValue(text: string, from: number): { content: Uint8Array; end: number } {
  const digits = /^(?:[0-9a-fA-F]{2})+/.exec(text.slice(from + 1))?.[0] ?? ''
  let end = from + 1 + digits.length
  while (text[end] === ' ') end++
  if (digits === '' || (end < text.length && text[end] !== ',' && text[end] !== '+'))
    throw invalid(text, from, 'a # is not followed by hexadecimal octets')
  return { content: Uint8Array.from(Buffer.from(digits, 'hex')), end }
}

function formatAttribute({ type, value, der }: TextAttribute): string {
  // RFC 4514 §2.4: a value without a string form, or of a type without a short
  // name, is written as # and hexadecimal DER.
  const asText = value !== undefined && isKnownAttribute(type)
  return `${attributeName(type)}=${asText ? escapeValue(value) : `#${Buffer.from(der).toString('hex')}`}`
}

function escapeValue(value: string): string {
  let out = ''
  for (let i = 0; i < value.length; i++) {
    const character = value[i] as string
    const code = value.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) out += `\\${code.toString(16).padStart(2, '0').toUpperCase()}`
    else if (
      '"+,;<>\\='.includes(character) ||
      (i === 0 && character === '#') ||
      (character === ' ' && (i === 0 || i === value.length - 1))
    )
      out += `\\${character}`
    else out += character
  }
  return out
}

function invalid(text: string, at: number, what: string): PkiError {
  return new PkiError(
    'ERR_NAME_INVALID',
    `${what} at character ${String(at)} of ${JSON.stringify(text.slice(0, 100))} (RFC 4514)`,
  )
}

const maxTextLength = 16 * 1024

/** One attribute of a relative distinguished name. */
interface AttributeTypeAndValue {
  /** Object identifier of the type, dotted. */
  readonly type: string
  /** The text of the value; undefined if it is not a character string. */
  readonly value: string | undefined
  /** DER of the value. */
  readonly der: Uint8Array
}

/** A relative distinguished name: nearly always one attribute, several if joined by `+`. */
export type RelativeDistinguishedName = readonly AttributeTypeAndValue[]

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
  #rdns: readonly RelativeDistinguishedName[] | undefined
  #comparisonKey: string | undefined

  private constructor(der: Uint8Array, tolerances: readonly Tolerance[] = noTolerances) {
    this.der = der
    this.#tolerances = tolerances
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
   * Over octets that never change: those of a copied certificate.
   *
   * @internal
   */
  static over(der: Uint8Array, tolerances: readonly Tolerance[] = noTolerances): DistinguishedName {
    return new DistinguishedName(der, tolerances)
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
        'a name must be RFC 4514 text, such as CN=web,O=Example, or a DistinguishedName',
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
   * @throws ERR_NAME_INVALID, ERR_OID_INVALID, ERR_STRING_INVALID
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
   * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID
   */
  get rdns(): readonly RelativeDistinguishedName[] {
    this.#rdns ??= freezeDeep(readRdns(this.der, this.#tolerances))
    return this.#rdns
  }

  /**
   * The text values of an attribute type, by short name or object identifier, in the order of the encoding.
   */
  values(type: string): readonly string[] {
    const oid = requireAttributeOid(type)
    return this.rdns
      .flat()
      .flatMap((attribute) =>
        attribute.type === oid && attribute.value !== undefined ? [attribute.value] : [],
      )
  }

  /** RFC 4514 text, most specific attribute first. */
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
   */
  get comparisonKey(): string {
    this.#comparisonKey ??= this.rdns.map(rdnComparisonKey).join('\u0001')
    return this.#comparisonKey
  }

  /** Whether both are the same name (RFC 5280 §7.1). */
  equals(other: DistinguishedName): boolean {
    return Buffer.compare(this.der, other.der) === 0 || this.comparisonKey === other.comparisonKey
  }
}

function isListOf(list: unknown, isOne: (value: unknown) => boolean): boolean {
  return Array.isArray(list) && list.every(isOne)
}

/**
 * The parts of `comparisonKey`; also used to compare the start of a name with a directory name constraint.
 */
export function rdnComparisonKey(rdn: RelativeDistinguishedName): string {
  const keys = rdn.map(attributeComparisonKey)
  return keys.length === 1 ? (keys[0] as string) : keys.sort().join('\u0002')
}

/** The length precedes the text, so that a value with a separator in it cannot look like two attributes. */
function attributeComparisonKey({ type, value, der }: AttributeTypeAndValue): string {
  if (value === undefined) return `${type}#${Buffer.from(der).toString('hex')}`
  const prepared = prepare(value)
  return `${type}=${String(prepared.length)}:${prepared}`
}

/**
 * Simplified string preparation (RFC 4518): compatibility form, case
 * folding, inner white space as one blank, none at the ends.
 */
function prepare(value: string): string {
  const folded = isPlainAscii(value) ? value.toLowerCase() : fold(value)
  return folded.replace(/[\t-\r\p{Zs}]+/gu, ' ').replace(/^ | $/g, '')
}

/**
 * RFC 4518 §2.2: letters by RFC 3454 B.2, with one sigma and no sharp s. Invisible characters are kept, where
 * the RFC maps them to nothing: no other validator treats names that differ in a NUL as equal, and only this
 * one would accept a path through both.
 */
function fold(value: string): string {
  return value
    .normalize('NFKC')
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('\u03C2', '\u03C3')
    .replaceAll('\u00DF', 'ss')
}

/** Printable characters only. */
function isPlainAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || code > 0x7e) return false
  }
  return true
}

function readRdns(der: Uint8Array, tolerances: readonly Tolerance[]): RelativeDistinguishedName[] {
  const sequence = readWhole(der, tags.sequence, 'Name')
  const rdns: RelativeDistinguishedName[] = []
  let attributes = 0
  while (!sequence.done) {
    const set = sequence.expect(tags.set, 'RelativeDistinguishedName').inner()
    if (set.peek() < 0)
      throw new PkiError(
        'ERR_NAME_INVALID',
        'a RelativeDistinguishedName is empty (X.501: SET SIZE (1..MAX))',
      )
    const rdn: AttributeTypeAndValue[] = []
    let previous: Uint8Array | undefined
    while (!set.done) {
      const attribute = set.expect(tags.sequence, 'AttributeTypeAndValue').inner()
      if (++attributes > maxAttributes)
        throw new PkiError('ERR_LIMIT_EXCEEDED', `the name has more than ${String(maxAttributes)} attributes`)
      if (previous !== undefined && Buffer.compare(previous, set.element()) > 0)
        throw new PkiError('ERR_DER', 'a SET OF is not in ascending order (X.690 11.6)')
      previous = set.element()
      rdn.push(readAttribute(attribute, tolerances))
    }
    rdns.push(rdn)
  }
  return rdns
}

function readAttribute(reader: DerReader, tolerances: readonly Tolerance[]): AttributeTypeAndValue {
  const type = oidContent(reader.expect(tags.oid, 'attribute type'))
  const tag = reader.next('attribute value')
  const der = reader.element()
  let value: string | undefined
  if (isStringTag(tag) && !(tag === tags.visibleString && isKnownAttribute(type)))
    value = readText(reader, type, tolerances)
  else if (isKnownAttribute(type) || (tag !== tags.bitString && tag !== tags.sequence)) {
    // Besides strings, X.520 has attributes of type BIT STRING (uniqueIdentifier) and SEQUENCE
    // (postalAddress); other types are refused.
    throw new PkiError(
      'ERR_NAME_INVALID',
      `${attributeLabel(type)}: the value has tag ${tag}, which is not a string type (RFC 5280 appendix A)`,
    )
  } else {
    checkWellFormed(der, `attribute ${type}`)
  }
  reader.finish('AttributeTypeAndValue')
  return { type, value, der }
}

/**
 * The text; undefined if the octets are invalid for the type and that is
 * tolerated: the octets are compared then.
 */
function readString(reader: DerReader, type: string, tolerances: readonly Tolerance[]): string | undefined {
  const isLenient = tolerances.includes('invalid-string-octets')
  try {
    return stringContent(reader, attributeLabel(type))
  } catch (cause) {
    if (!isPkiError(cause, 'ERR_STRING_INVALID')) throw cause
    if (isLenient) return undefined
    throw new PkiError('ERR_STRING_INVALID', `${cause.message}${acceptedBy('invalid-string-octets')}`, {
      cause,
    })
  }
}

/** `CN (2.5.4.3)`, or the object identifier alone. */
function attributeLabel(type: string): string {
  const name = attributeName(type)
  return name === type ? `attribute ${type}` : `attribute ${name} (${type})`
}

/** Sorting a run of combining characters, as comparison needs (RFC 4518 §2.3), takes quadratic time. */
function readText(reader: DerReader, type: string, tolerances: readonly Tolerance[]): string | undefined {
  const value = readString(reader, type, tolerances)
  if (value !== undefined && value.length > maxMarks && longRunOfMarks.test(value))
    throw new PkiError(
      'ERR_NAME_INVALID',
      `${attributeLabel(type)}: more than ${String(maxMarks)} combining characters in a row`,
    )
  return value
}

/** Far above any real name; limits the cost of hostile ones. */
const maxAttributes = 256
/**
 * Twice the limit of the Stream-Safe Text Format of UAX #15. The last two
 * become combining characters in compatibility form.
 */
const maxMarks = 64
const longRunOfMarks = /[\p{M}\uFF9E\uFF9F]{65}/u
