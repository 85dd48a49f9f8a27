// Attribute types of distinguished names: short names (RFC 4514 §3, RFC 4519), string types (RFC 5280 section
// 4.1.2.4) and bounds (appendix A).

import { directoryString, ia5String, oid, sequence, setOf, tags, utf8String } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'

/** Short name and object identifier of an attribute type. */
interface AttributeType {
  readonly name: string
  readonly oid: string
}

const attributeTypes: readonly AttributeType[] = [
  { name: 'CN', oid: '2.5.4.3' },
  { name: 'SN', oid: '2.5.4.4' },
  { name: 'serialNumber', oid: '2.5.4.5' },
  { name: 'C', oid: '2.5.4.6' },
  { name: 'L', oid: '2.5.4.7' },
  { name: 'ST', oid: '2.5.4.8' },
  { name: 'STREET', oid: '2.5.4.9' },
  { name: 'O', oid: '2.5.4.10' },
  { name: 'OU', oid: '2.5.4.11' },
  { name: 'title', oid: '2.5.4.12' },
  { name: 'name', oid: '2.5.4.41' },
  { name: 'GN', oid: '2.5.4.42' },
  { name: 'initials', oid: '2.5.4.43' },
  { name: 'generationQualifier', oid: '2.5.4.44' },
  { name: 'dnQualifier', oid: '2.5.4.46' },
  { name: 'pseudonym', oid: '2.5.4.65' },
  { name: 'organizationIdentifier', oid: '2.5.4.97' },
  { name: 'UID', oid: '0.9.2342.19200300.100.1.1' },
  { name: 'DC', oid: '0.9.2342.19200300.100.1.25' },
  { name: 'emailAddress', oid: '1.2.840.113549.1.9.1' },
]

const nameByOid: ReadonlyMap<string, string> = new Map(attributeTypes.map(({ name, oid }) => [oid, name]))
const oidByName: ReadonlyMap<string, string> = new Map(
  attributeTypes.map(({ name, oid }) => [name.toLowerCase(), oid]),
)

/** The short name of an attribute type, or its object identifier. */
export function attributeName(oid: string): string {
  return nameByOid.get(oid) ?? oid
}

/** Whether the type is in the table; all types in it are character strings. */
export function isKnownAttribute(oid: string): boolean {
  return nameByOid.has(oid)
}

/**
 * The object identifier of a type given by short name (any case) or object identifier.
 * @throws ERR_NAME_INVALID
 */
export function requireAttributeOid(type: string): string {
  const known = oidByName.get(type.toLowerCase())
  if (known !== undefined) return known
  if (!/^[0-9]+(\.[0-9]+)+$/.test(type))
    throw new PkiError(
      'ERR_NAME_INVALID',
      `unknown attribute type ${JSON.stringify(type.slice(0, 64))}; write its object identifier`,
    )
  return type
}

/** Type, as short name (`CN`) or object identifier, and text. */
export type NameAttribute = readonly [type: string, value: string]

/** A type and its text, or the DER of a value that is not a string. */
export type EncodableAttribute = readonly [type: string, value: string | Uint8Array]

/**
 * DER of an RDNSequence, one inner list per RDN.
 * @throws ERR_NAME_INVALID, ERR_OID_INVALID, ERR_STRING_INVALID
 */
export function encodeAttributes(rdns: readonly (readonly EncodableAttribute[])[]): Uint8Array {
  return sequence(...rdns.map((rdn) => setOf(...rdn.map(encodeAttribute))))
}

function encodeAttribute([type, value]: EncodableAttribute): Uint8Array {
  const id = requireAttributeOid(type)
  if (value instanceof Uint8Array) return sequence(oid(id), value)
  const bound = upperBounds[id] ?? 32_768
  if (value.length === 0 || value.length > bound) {
    throw new PkiError(
      'ERR_NAME_INVALID',
      `attribute ${type} has ${String(value.length)} characters; expected 1 to ${String(bound)} (RFC ` +
        '5280 appendix A)',
    )
  }
  // The name may be shown in a terminal or a log.
  if (/\p{Cc}|\p{Cs}/u.test(value)) {
    throw new PkiError('ERR_NAME_INVALID', `attribute ${type} has a control character or a lone surrogate`)
  }
  return sequence(oid(id), encodeValue(id, value))
}

function encodeValue(id: string, value: string): Uint8Array {
  if (id === '1.2.840.113549.1.9.1' || id === '0.9.2342.19200300.100.1.25') return ia5String(value)
  if (id !== '2.5.4.6' && id !== '2.5.4.5' && id !== '2.5.4.46') return utf8String(value)
  // RFC 5280 appendix A: X520countryName is PrintableString (SIZE (2)),
  // X520SerialNumber and X520dnQualifier are PrintableString.
  const der = directoryString(value)
  if (der[0] !== tags.printableString || (id === '2.5.4.6' && value.length !== 2)) {
    throw new PkiError(
      'ERR_NAME_INVALID',
      `attribute ${attributeName(id)} must be a ` +
        `PrintableString${id === '2.5.4.6' ? ' of two characters' : ''} ` +
        '(RFC 5280 appendix A)',
    )
  }
  return der
}

const upperBounds: Readonly<Record<string, number | undefined>> = {
  '2.5.4.3': 64,
  '2.5.4.5': 64,
  '2.5.4.6': 2,
  '2.5.4.7': 128,
  '2.5.4.8': 128,
  '2.5.4.10': 64,
  '2.5.4.11': 64,
  '2.5.4.12': 64,
  '1.2.840.113549.1.9.1': 255,
}
