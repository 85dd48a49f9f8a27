// The relative distinguished names of a Name, read by RFC 5280 section 4.1.2.4.

import { checkWellFormed, isStringTag, readOid, readWhole, stringContent, tags } from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { acceptedBy } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { attributeName, isKnownAttribute } from './attribute-types.ts'

/** One attribute of a relative distinguished name. */
export interface AttributeTypeAndValue {
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
 * Every RDN in the order of the encoding.
 * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID, ERR_LIMIT_EXCEEDED
 */
export function readRdns(der: Uint8Array, tolerances: readonly Tolerance[]): RelativeDistinguishedName[] {
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
        throw new PkiError(
          'ERR_DER',
          'the attributes of a RelativeDistinguishedName are not in ascending order (X.690 11.6)',
        )
      previous = set.element()
      rdn.push(readAttribute(attribute, tolerances))
    }
    rdns.push(rdn)
  }
  return rdns
}

function readAttribute(reader: DerReader, tolerances: readonly Tolerance[]): AttributeTypeAndValue {
  const type = readOid(reader, 'attribute type')
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
      `${attributeLabel(type)}: found ${typeOf(tag)}, expected ${expectedTypes(type)}`,
    )
  } else {
    checkWellFormed(der, attributeLabel(type))
  }
  reader.finish('AttributeTypeAndValue')
  return { type, value, der }
}

/** The type of a value in words; its tag if it is not a type that values of attributes have by mistake. */
function typeOf(tag: number): string {
  const name = otherTypes[tag]
  return name === undefined
    ? `an element of tag 0x${tag.toString(16).padStart(2, '0')}`
    : `a value of type ${name}`
}

const otherTypes: Readonly<Record<number, string | undefined>> = {
  [tags.integer]: 'INTEGER',
  [tags.bitString]: 'BIT STRING',
  [tags.octetString]: 'OCTET STRING',
  [tags.null]: 'NULL',
  [tags.sequence]: 'SEQUENCE',
  [tags.utcTime]: 'UTCTime',
  [tags.generalizedTime]: 'GeneralizedTime',
  [tags.visibleString]: 'VisibleString',
  0x15: 'VideotexString',
  0x19: 'GraphicString',
  0x1b: 'GeneralString',
}

function expectedTypes(type: string): string {
  return isKnownAttribute(type)
    ? 'UTF8String, PrintableString, TeletexString, BMPString, UniversalString, IA5String or NumericString ' +
        '(RFC 5280 appendix A)'
    : 'a character string, BIT STRING or SEQUENCE (X.520)'
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
