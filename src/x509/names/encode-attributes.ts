// Attributes of a name into DER: the string type that RFC 5280 section 4.1.2.4 asks for, within the bounds of appendix A.

import { directoryString, ia5String, oid, sequence, setOf, utf8String } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { requireAttributeOid } from './attribute-types.ts'

/** Type, as short name (`CN`) or object identifier, and text. */
export type NameAttribute = readonly [type: string, value: string]

/** DER of an RDNSequence, one inner list per RDN. @throws ERR_NAME_INVALID */
export function encodeAttributes(rdns: readonly (readonly NameAttribute[])[]): Uint8Array {
  return sequence(...rdns.map((rdn) => setOf(...rdn.map(encodeAttribute))))
}

function encodeAttribute([type, value]: NameAttribute): Uint8Array {
  const id = requireAttributeOid(type)
  const bound = upperBounds[id] ?? 32_768
  if (value.length === 0 || value.length > bound) {
    throw new PkiError('ERR_NAME_INVALID', `attribute ${type}: ${String(value.length)} characters where 1 to ${String(bound)} are allowed (RFC 5280 appendix A)`)
  }
  // threats L28
  if (/\p{Cc}|\p{Cs}/u.test(value)) {
    throw new PkiError('ERR_NAME_INVALID', `attribute ${type}: a control character or half a surrogate pair`)
  }
  return sequence(oid(id), encodeValue(id, value))
}

function encodeValue(id: string, value: string): Uint8Array {
  if (id === '1.2.840.113549.1.9.1' || id === '0.9.2342.19200300.100.1.25') return ia5String(value)
  if (id === '2.5.4.6' || id === '2.5.4.5' || id === '2.5.4.46') return directoryString(value) // PrintableString only
  return utf8String(value)
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
