// GeneralName of every kind (RFC 5280 sections 4.2.1.6 and 4.2.1.7).

import { PkiError } from '../../errors/index.ts'
import { nameOf } from '../../internal/options.ts'
import type { DistinguishedName } from './distinguished-name.ts'
import { formatIpAddress, ipAddressOctets } from './ip-address.ts'

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
} = Object.freeze({
  dns: (value: string) => Object.freeze({ type: 'dns', value }),
  uri: (value: string) => Object.freeze({ type: 'uri', value }),
  email: (value: string) => Object.freeze({ type: 'email', value }),
  ip(text: string) {
    if (typeof text !== 'string')
      throw new PkiError('ERR_NAME_INVALID', `an IP address must be a text, found ${nameOf(text)}`)
    const address = ipAddressOctets(text)
    return Object.freeze({ type: 'ip', address, value: formatIpAddress(address) })
  },
  format(name: GeneralName) {
    const isName = typeof name === 'object' && (name as unknown) !== null
    if (!isName) throw new PkiError('ERR_INVALID_ARGUMENT', `expected a GeneralName, found ${nameOf(name)}`)
    return formatGeneralName(name)
  },
})

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
