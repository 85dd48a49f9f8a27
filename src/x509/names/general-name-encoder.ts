// DER of GeneralNames of every kind.

import {
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  element,
  encodeOid,
  explicit,
  ia5String,
  oid,
  sequence,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { checkIpLength, checkNameText, uriText } from './general-name-rules.ts'
import type { GeneralName, GeneralNameUse } from './general-name.ts'

/** DER of a subject or issuer alternative name extension. */
export function encodeAltName(names: readonly GeneralName[]): Uint8Array {
  return sequence(...names.map(encodeGeneralName))
}

/**
 * DER of a GeneralName that `readGeneralName` accepts.
 * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID
 */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  return encodeNameFor(name, 'name')
}

/**
 * DER of the base of a name constraint: an iPAddress is an address and a mask. @throws as `encodeGeneralName`
 */
export function encodeConstraintBase(name: GeneralName): Uint8Array {
  return encodeNameFor(name, 'constraint')
}

function encodeNameFor(name: GeneralName, use: GeneralNameUse): Uint8Array {
  if (typeof (name as unknown) !== 'object' || (name as unknown) === null) throw noKind(name)
  switch (name.type) {
    case 'email':
      return textName(1, name.value, 'rfc822Name')
    case 'dns':
      return textName(2, name.value, 'dNSName')
    case 'uri': {
      const der = textName(6, name.value, 'uniformResourceIdentifier')
      uriText(name.value)
      return der
    }
    case 'ip':
      checkIpLength(name.address.length, use)
      return element(contextPrimitive(7), name.address)
    case 'registeredId':
      return element(contextPrimitive(8), encodeOid(name.oid))
    case 'directoryName':
      void name.name.rdns
      return explicit(4, name.name.der)
    case 'otherName':
      checkWellFormed(name.value, 'otherName value')
      return explicit(0, oid(name.oid), explicit(0, name.value))
    case 'x400Address':
      return openName(3, name.der, name.type)
    case 'ediPartyName':
      return openName(5, name.der, name.type)
    default:
      throw noKind(name)
  }
}

function noKind(name: unknown): PkiError {
  const { type } = Object(name) as { readonly type?: unknown }
  return new PkiError(
    'ERR_NAME_INVALID',
    `unknown name type ${typeof type === 'string' ? JSON.stringify(type.slice(0, 64)) : typeof type}; ` +
      'expected one of RFC 5280 4.2.1.6',
  )
}

function textName(n: number, value: string, what: string): Uint8Array {
  const der = ia5String(value, contextPrimitive(n))
  checkNameText(der, der.length - value.length, der.length, what)
  return der
}

/** A kind that is kept as DER: `[n]` around any well-formed element. */
function openName(n: number, der: Uint8Array, what: string): Uint8Array {
  if (der[0] !== contextConstructed(n))
    throw new PkiError(
      'ERR_NAME_INVALID',
      `${what}: expected DER that begins with [${String(n)}] (RFC 5280 4.2.1.6)`,
    )
  checkWellFormed(der, what)
  return der
}
