// Checks that a certificate belongs to the expected peer (RFC 9525 §6, RFC 5280 §4.2.1.6, SPIFFE X-1 and
// X-2), without using the common name as a host name.

import { PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { ipVersion, isDnsName } from '../../internal/host-text.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import { ipAddressOctets } from '../../x509/internal.ts'
import type { Certificate, GeneralName } from '../../x509/index.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { matchesHost } from './dns-match.ts'
import { readSpiffeId } from './spiffe-id-of.ts'

/** The expected peer. `dns` is a host name without wildcard; an internationalised one in A-labels. @inline */
export type PeerName =
  | {
      /** A host name in A-labels, without a final dot. */
      readonly dns: string
    }
  | {
      /** An IPv4 or IPv6 address as text. */
      readonly ip: string
    }
  | {
      /** A mailbox; the case of the host is ignored. */
      readonly email: string
    }
  | {
      /** The only URI of the certificate must be this ID, or match. */
      readonly spiffeId: SpiffeId | SpiffeIdMatcher | string
    }

/**
 * The expected names as a list. An empty list would check nothing; of two names in one object, only one would
 * be checked.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function peersOf(wanted: PeerName | readonly PeerName[]): readonly PeerName[] {
  const peers = (Array.isArray(wanted) ? wanted : [wanted]) as readonly PeerName[]
  if (peers.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'peer must not be an empty list')
  for (const peer of peers as readonly unknown[]) {
    const kinds = typeof peer === 'object' && peer !== null ? peerKinds.filter((kind) => kind in peer) : []
    if (kinds.length !== 1)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `a peer must have exactly one of ${peerKinds.join(', ')}; it has ${kinds.length}`,
      )
  }
  return peers
}

const peerKinds = ['dns', 'ip', 'email', 'spiffeId'] as const

/**
 * Whether the leaf has the expected name.
 *
 * @throws ERR_INVALID_ARGUMENT for a name that no certificate can have;
 *   ERR_NAME_INVALID, ERR_SPIFFE_ID_INVALID
 */
export function checkPeerName(leaf: Certificate, wanted: PeerName): Rejection | undefined {
  if ('spiffeId' in wanted) return checkSpiffeId(leaf, wanted.spiffeId)
  const { matches, rule, text } = matcherOf(wanted)
  return (leaf.subjectAltName ?? []).some(matches)
    ? undefined
    : reject('ERR_PATH_PEER_NAME', rule, `the certificate is not for ${text}`, leaf)
}

function matcherOf(wanted: Exclude<PeerName, { readonly spiffeId: unknown }>): {
  matches: (name: GeneralName) => boolean
  rule: string
  text: string
} {
  if ('dns' in wanted) {
    // Checked before case folding, which turns some letters outside ASCII, such
    // as the Kelvin sign, into ASCII.
    if (!isDnsName(wanted.dns) || ipVersion(wanted.dns) !== 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the DNS name of peer is not a host name')
    const host = wanted.dns.toLowerCase()
    return {
      rule: 'RFC 9525 §6.3',
      text: `host ${host}`,
      matches: (name) => name.type === 'dns' && matchesHost(name.value.toLowerCase(), host),
    }
  }
  if ('ip' in wanted) {
    const address = ipAddressOctets(wanted.ip)
    return {
      rule: 'RFC 9525 §6.4',
      text: `address ${wanted.ip}`,
      matches: (name) => name.type === 'ip' && equalBytes(name.address, address),
    }
  }
  if (!/^.+@[^@]+$/.test(wanted.email))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the email address of peer has no local part or no host')
  const mailbox = canonicalMailbox(wanted.email)
  return {
    rule: 'RFC 5280 §7.5',
    text: 'the expected email address',
    matches: (name) => name.type === 'email' && canonicalMailbox(name.value) === mailbox,
  }
}

/** RFC 5280 §7.5: the local part is compared exactly, the host without case. */
function canonicalMailbox(address: string): string {
  const at = address.lastIndexOf('@')
  return address.slice(0, at + 1) + address.slice(at + 1).toLowerCase()
}

function checkSpiffeId(
  leaf: Certificate,
  wanted: SpiffeId | SpiffeIdMatcher | string,
): Rejection | undefined {
  const found = readSpiffeId(leaf.subjectAltName)
  if ('fault' in found) return reject('ERR_PATH_PEER_NAME', found.rule, found.fault, leaf)
  const { id } = found
  // Only `true` accepts: an asynchronous matcher returns a promise, which is truthy.
  const matches =
    typeof wanted === 'function' ? (wanted(id) as unknown) === true : SpiffeId.from(wanted).equals(id)
  return matches
    ? undefined
    : reject(
        'ERR_PATH_PEER_NAME',
        'X-12',
        `the SPIFFE ID is ${id.toString()}, expected ${textOf(wanted)}`,
        leaf,
      )
}

function textOf(wanted: SpiffeId | SpiffeIdMatcher | string): string {
  return typeof wanted === 'function' ? (wanted.description ?? 'another SPIFFE ID') : wanted.toString()
}
