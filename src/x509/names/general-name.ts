// GeneralName, every kind: RFC 5280 section 4.2.1.6.

import type { DerReader} from '../../der/index.ts';
import { checkWellFormed, contextConstructed, contextPrimitive, decodeOid, element, encodeOid, explicit, ia5String, ia5Text, oid, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { ipVersion } from '../../internal/ip-text.ts'
import { DistinguishedName } from './distinguished-name.ts'
import { formatIpAddress, parseIpAddress } from './ip-address.ts'

/** A name of any kind that a certificate can carry. Text is as found: never normalised. */
export type GeneralName =
  | { readonly type: 'otherName'; readonly oid: string; readonly value: Uint8Array }
  | { readonly type: 'email'; readonly value: string }
  | { readonly type: 'dns'; readonly value: string }
  | { readonly type: 'x400Address'; readonly der: Uint8Array }
  | { readonly type: 'directoryName'; readonly name: DistinguishedName }
  | { readonly type: 'ediPartyName'; readonly der: Uint8Array }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'ip'; readonly address: Uint8Array; readonly value: string }
  | { readonly type: 'registeredId'; readonly oid: string }

/** Where a GeneralName stands: an iPAddress has 4 or 16 octets in a name, 8 or 32 (address and mask) in a name constraint. */
export type GeneralNameUse = 'name' | 'constraint'

/**
 * Reads the next element as a GeneralName.
 *
 * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID
 */
export function readGeneralName(reader: DerReader, use: GeneralNameUse = 'name'): GeneralName {
  const tag = reader.next()
  const { bytes, contentStart, contentEnd } = reader
  switch (tag) {
    case contextPrimitive(1):
      return { type: 'email', value: ia5Text(bytes, contentStart, contentEnd, 'rfc822Name') }
    case contextPrimitive(2):
      return { type: 'dns', value: ia5Text(bytes, contentStart, contentEnd, 'dNSName') }
    case contextPrimitive(6):
      return { type: 'uri', value: ia5Text(bytes, contentStart, contentEnd, 'uniformResourceIdentifier') }
    case contextPrimitive(7):
      return ipName(reader.content(), use)
    case contextPrimitive(8):
      return { type: 'registeredId', oid: decodeOid(bytes, contentStart, contentEnd) }
    case contextConstructed(4): {
      // Name is a CHOICE, so its [4] is EXPLICIT (X.680 31.2.7).
      const inner = reader.inner().expect(tags.sequence, 'directoryName')
      inner.finish('directoryName')
      const name = DistinguishedName.fromDer(inner.element())
      void name.rdns
      return { type: 'directoryName', name }
    }
    case contextConstructed(0):
      return readOtherName(reader)
    case contextConstructed(3):
    case contextConstructed(5): {
      checkWellFormed(reader.element(), 'GeneralName')
      return { type: tag === contextConstructed(3) ? 'x400Address' : 'ediPartyName', der: reader.element() }
    }
    default:
      throw new PkiError('ERR_NAME_INVALID', `tag 0x${tag.toString(16)} is no GeneralName (RFC 5280 4.2.1.6)`)
  }
}

/**
 * Reads everything up to the end as GeneralNames; at least one.
 *
 * @throws as `readGeneralName`, and ERR_LIMIT_EXCEEDED above `maxNames`
 */
export function readGeneralNames(reader: DerReader, what: string): GeneralName[] {
  const names: GeneralName[] = []
  while (!reader.done) {
    if (names.length >= maxNames) throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxNames)} names`)
    names.push(readGeneralName(reader))
  }
  if (names.length === 0) throw new PkiError('ERR_NAME_INVALID', `${what}: no name at all (RFC 5280: SIZE (1..MAX))`)
  return names
}

/** DER of a GeneralName. @throws ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_OID_INVALID */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.type) {
    case 'email':
      return ia5String(name.value, contextPrimitive(1))
    case 'dns':
      return ia5String(name.value, contextPrimitive(2))
    case 'uri':
      return ia5String(name.value, contextPrimitive(6))
    case 'ip':
      return element(contextPrimitive(7), name.address)
    case 'registeredId':
      return element(contextPrimitive(8), encodeOid(name.oid))
    case 'directoryName':
      return explicit(4, name.name.der)
    case 'otherName':
      return explicit(0, oid(name.oid), explicit(0, name.value))
    case 'x400Address':
    case 'ediPartyName':
      return name.der
  }
}

/** Shorthands for the kinds that are written often: `generalName.dns('web.example')`. */
export const generalName: {
  dns(value: string): GeneralName
  uri(value: string): GeneralName
  email(value: string): GeneralName
  ip(text: string): GeneralName
} = {
  dns: (value) => ({ type: 'dns', value }),
  uri: (value) => ({ type: 'uri', value }),
  email: (value) => ({ type: 'email', value }),
  ip(text) {
    if (ipVersion(text) === 0) throw new PkiError('ERR_NAME_INVALID', `${JSON.stringify(text)} is no IP address`)
    const address = parseIpAddress(text)
    return { type: 'ip', address, value: formatIpAddress(address) }
  },
}

/** One line of text: `DNS:web.example`, `URI:spiffe://td/x`, `IP:10.0.0.1`. */
export function formatGeneralName(name: GeneralName): string {
  switch (name.type) {
    case 'dns':
      return `DNS:${name.value}`
    case 'uri':
      return `URI:${name.value}`
    case 'email':
      return `email:${name.value}`
    case 'ip':
      return `IP:${name.value}`
    case 'directoryName':
      return `dirName:${name.name.toString()}`
    case 'registeredId':
      return `RID:${name.oid}`
    case 'otherName':
      return `otherName:${name.oid}`
    case 'x400Address':
    case 'ediPartyName':
      return name.type
  }
}

function readOtherName(reader: DerReader): GeneralName {
  const inner = reader.inner()
  inner.expect(tags.oid, 'otherName type-id')
  const type = decodeOid(inner.bytes, inner.contentStart, inner.contentEnd)
  const value = inner.expect(contextConstructed(0), 'otherName value').inner()
  value.next()
  value.finish('otherName value')
  inner.finish('otherName')
  checkWellFormed(value.element(), 'otherName value')
  return { type: 'otherName', oid: type, value: value.element() }
}

function ipName(octets: Uint8Array, use: GeneralNameUse): GeneralName {
  const { length } = octets
  const fits = use === 'name' ? length === 4 || length === 16 : length === 8 || length === 32
  if (!fits) throw new PkiError('ERR_NAME_INVALID', `iPAddress: ${String(length)} octets (RFC 5280 4.2.1.6, 4.2.1.10)`)
  const value = use === 'name' ? formatIpAddress(octets) : `${formatIpAddress(octets.subarray(0, length / 2))}/${formatIpAddress(octets.subarray(length / 2))}`
  return { type: 'ip', address: octets, value }
}

/** Bounds memory on hostile input; real certificates stay below 200. */
const maxNames = 10_000
