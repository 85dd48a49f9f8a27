// GeneralName of every kind (RFC 5280 sections 4.2.1.6 and 4.2.1.7) and IP addresses as text (RFC 5952).

import {
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  element,
  encodeOid,
  explicit,
  ia5String,
  ia5Text,
  oid,
  oidContent,
  readWhole,
  sequence,
  tags,
} from '../../der/index.ts'
import type { DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { ipVersion } from '../../internal/host-text.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { DistinguishedName } from './distinguished-name.ts'

/** The 4 or 16 octets of a textual address without zone. @throws ERR_NAME_INVALID */
export function parseIpAddress(text: string): Uint8Array {
  if (ipVersion(text) === 4) return Uint8Array.from(text.split('.'), Number)
  if (ipVersion(text) !== 6 || text.includes('%'))
    throw new PkiError('ERR_NAME_INVALID', `${JSON.stringify(text)} is not an IP address`)
  const dotted = /^(.*:)([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$/.exec(text)
  const plain =
    dotted === null
      ? text
      : `${dotted[1] as string}${groupsOf(parseIpAddress(dotted[2] as string))
          .map(hex)
          .join(':')}`
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  )
}

/**
 * Text of 4 or 16 octets; IPv6 with its longest run of zero groups as `::` (RFC 5952).
 * @throws ERR_NAME_INVALID
 */
export function formatIpAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join('.')
  if (address.length !== 16)
    throw new PkiError(
      'ERR_NAME_INVALID',
      `an IP address has ${String(address.length)} octets; expected 4 or 16`,
    )
  const groups = groupsOf(address)
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const text = groups.map(hex)
  if (best.length < 2) return text.join(':')
  return `${text.slice(0, best.start).join(':')}::${text.slice(best.start + best.length).join(':')}`
}

function groupsOf(address: Uint8Array): number[] {
  return Array.from(
    { length: address.length / 2 },
    (_, i) => (address[2 * i] as number) * 256 + (address[2 * i + 1] as number),
  )
}

function hex(group: number): string {
  return group.toString(16)
}

/** A name of any kind that a certificate can contain. The text is unchanged, never normalised. */
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

/**
 * The context of a GeneralName. An iPAddress has 4 or 16 octets in a name, 8 or 32 (address and mask) in a
 * constraint. A location (CDP, AIA, issuerAltName) is not used by RFC 5280 section 6; its URI is accepted
 * unchecked, because AD CS writes blanks and backslashes there.
 */
export type GeneralNameUse = 'name' | 'constraint' | 'location'

/**
 * Reads the next element as a GeneralName.
 *
 * @throws ERR_NAME_INVALID, ERR_DER, ERR_STRING_INVALID, ERR_OID_INVALID
 */
export function readGeneralName(
  reader: DerReader,
  use: GeneralNameUse = 'name',
  tolerances: readonly Tolerance[] = noTolerances,
): GeneralName {
  const tag = reader.next('GeneralName')
  const { bytes, contentStart, contentEnd } = reader
  switch (tag) {
    case contextPrimitive(1):
      return { type: 'email', value: nameText(bytes, contentStart, contentEnd, 'rfc822Name') }
    case contextPrimitive(2):
      return { type: 'dns', value: nameText(bytes, contentStart, contentEnd, 'dNSName') }
    case contextPrimitive(6):
      return {
        type: 'uri',
        value: uriText(nameText(bytes, contentStart, contentEnd, 'uniformResourceIdentifier'), use),
      }
    case contextPrimitive(7):
      return ipName(reader.content(), use)
    case contextPrimitive(8):
      return { type: 'registeredId', oid: oidContent(reader) }
    case contextConstructed(4): {
      // Name is a CHOICE, so its [4] is EXPLICIT (X.680 31.2.7).
      const inner = reader.inner().expect(tags.sequence, 'directoryName')
      inner.finish('directoryName')
      const name = DistinguishedName.over(inner.element(), tolerances)
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
      throw new PkiError(
        'ERR_NAME_INVALID',
        `tag 0x${tag.toString(16)} is not a kind of GeneralName (RFC 5280 4.2.1.6)`,
      )
  }
}

/**
 * RFC 5280 §4.2.1.6: "The name MUST follow the URI syntax"; without the
 * scheme, only its characters can be checked (RFC 3986 §2).
 */
function uriText(text: string, use: GeneralNameUse = 'name'): string {
  if (use === 'location') return text
  for (let at = 0; at < text.length; at++) {
    if (uriCharacters[text.charCodeAt(at)] !== 1)
      throw new PkiError(
        'ERR_NAME_INVALID',
        `uniformResourceIdentifier: the character ${JSON.stringify(text.charAt(at))} is not allowed in a ` +
          'URI (RFC 3986 §2)',
      )
  }
  return text
}

/**
 * No valid name of these kinds has control characters; software that stops at a NUL would read a different
 * name.
 */
function nameText(bytes: Uint8Array, start: number, end: number, what: string): string {
  checkText(bytes, start, end, what)
  return ia5Text(bytes, start, end, what)
}

function checkText(bytes: Uint8Array, start: number, end: number, what: string): void {
  for (let i = start; i < end; i++) {
    const octet = bytes[i] as number
    if (octet < 0x20 || octet === 0x7f)
      throw new PkiError(
        'ERR_NAME_INVALID',
        `${what}: the name has the control character 0x${octet.toString(16).padStart(2, '0')}`,
      )
  }
}

/**
 * Reads everything up to the end as GeneralNames; at least one.
 *
 * @throws as `readGeneralName`, and ERR_LIMIT_EXCEEDED above `maxNames`
 */
export function readGeneralNames(
  reader: DerReader,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'name',
): GeneralName[] {
  const names: GeneralName[] = []
  while (!reader.done) {
    if (names.length >= maxNames)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `${what}: more than ${String(maxNames)} names`)
    names.push(readGeneralName(reader, use, tolerances))
  }
  if (names.length === 0)
    throw new PkiError('ERR_NAME_INVALID', `${what}: the list of names is empty (RFC 5280: SIZE (1..MAX))`)
  return names
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
  checkText(der, der.length - value.length, der.length, what)
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

/** Constructors of common kinds of names: `generalName.dns('web.example')`. */
export const generalName: {
  /** A host name in A-labels; checked when it is encoded. */
  dns(value: string): GeneralName
  /** An absolute URI, such as a SPIFFE ID; checked when it is encoded. */
  uri(value: string): GeneralName
  /** A mailbox, `user@host`; checked when it is encoded. */
  email(value: string): GeneralName
  /** An IPv4 or IPv6 address from its text. @throws ERR_NAME_INVALID */
  ip(text: string): GeneralName
  /** One line of text: `DNS:web.example`, `URI:spiffe://td/x`, `IP:10.0.0.1`. */
  format(name: GeneralName): string
} = {
  dns: (value) => ({ type: 'dns', value }),
  uri: (value) => ({ type: 'uri', value }),
  email: (value) => ({ type: 'email', value }),
  ip(text) {
    if (ipVersion(text) === 0)
      throw new PkiError('ERR_NAME_INVALID', `${JSON.stringify(text)} is not an IP address`)
    const address = parseIpAddress(text)
    return { type: 'ip', address, value: formatIpAddress(address) }
  },
  format: (name) => formatGeneralName(name),
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
  const type = oidContent(inner.expect(tags.oid, 'otherName type-id'))
  const value = inner.expect(contextConstructed(0), 'otherName value').inner()
  value.next()
  value.finish('otherName value')
  inner.finish('otherName')
  checkWellFormed(value.element(), 'otherName value')
  return { type: 'otherName', oid: type, value: value.element() }
}

function ipName(octets: Uint8Array, use: GeneralNameUse): GeneralName {
  const { length } = octets
  checkIpLength(length, use)
  const value =
    use !== 'constraint'
      ? formatIpAddress(octets)
      : `${formatIpAddress(octets.subarray(0, length / 2))}/${formatIpAddress(octets.subarray(length / 2))}`
  return { type: 'ip', address: octets, value }
}

function checkIpLength(length: number, use: GeneralNameUse): void {
  const fits = use !== 'constraint' ? length === 4 || length === 16 : length === 8 || length === 32
  if (!fits)
    throw new PkiError('ERR_NAME_INVALID', `iPAddress has ${length} octets (RFC 5280 4.2.1.6, 4.2.1.10)`)
}

/** Limits memory on hostile input; real certificates have below 200. */
const maxNames = 10_000

/**
 * Every name, of every kind, in order; at least one.
 * @throws ERR_DER, ERR_NAME_INVALID, ERR_STRING_INVALID, ERR_LIMIT_EXCEEDED
 */
export function parseAltName(
  der: Uint8Array,
  what: string,
  tolerances: readonly Tolerance[] = noTolerances,
  use: GeneralNameUse = 'name',
): readonly GeneralName[] {
  return readGeneralNames(readWhole(der, tags.sequence, what), what, tolerances, use)
}

/** DER of a subject or issuer alternative name extension. */
export function encodeAltName(names: readonly GeneralName[]): Uint8Array {
  return sequence(...names.map(encodeGeneralName))
}

const uriCharacters: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]/.test(String.fromCharCode(code)) ? 1 : 0,
)
