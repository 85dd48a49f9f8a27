// Whether a certificate is the wanted peer's: RFC 9525 §6, RFC 5280 §4.2.1.6, SPIFFE. The common name is never a host.

import { isPkiError, PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { ipVersion, isDnsName, isWildcard } from '../../internal/host-text.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import { parseIpAddress } from '../../x509/index.ts'
import type { Certificate, GeneralName } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

// DNS names: as presented, as wanted, as a constraint. RFC 5280 §4.2.1.10, RFC 9525 §6.3.

/**
 * Whether `name` is `base` or below it, letter case aside: "any DNS name that can be constructed by simply adding zero or more labels
 * to the left-hand side". An empty base holds every name. Both in lower case.
 */
export function isWithinDomain(name: string, base: string): boolean {
  if (base === '') return true
  return name.endsWith(base) && (name.length === base.length || name[name.length - base.length - 1] === '.')
}

/**
 * Whether some name that the wildcard stands for is within `base`: `*.example.com` may be `secret.example.com`, which an excluded
 * `secret.example.com` must catch (CVE-2025-61727). Both in lower case.
 */
export function wildcardMeets(wildcard: string, base: string): boolean {
  const parent = wildcard.slice(2)
  if (isWithinDomain(parent, base)) return true
  const dot = base.indexOf('.')
  return dot > 0 && base.slice(dot + 1) === parent
}

/** Whether a presented name, which may be a wildcard, stands for the wanted host: a wildcard is exactly one label. Both in lower case. */
function matchesHost(presented: string, wanted: string): boolean {
  if (!presented.startsWith('*.')) return presented === wanted
  if (!isWildcard(presented)) return false
  const dot = wanted.indexOf('.')
  return dot > 0 && wanted.slice(dot + 1) === presented.slice(2)
}

/** Who is wanted. `dns` is a host name without wildcard, an international one in its A-labels. */
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
      /** A mailbox; the host in any case. */
      readonly email: string
    }
  | {
      /** The one URI of the certificate must be this ID, or match. */
      readonly spiffeId: SpiffeId | SpiffeIdMatcher | string
    }

/**
 * The wanted names as a list. An empty one would ask for nothing, and of two names in one object only one would be looked at.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function peersOf(wanted: PeerName | readonly PeerName[]): readonly PeerName[] {
  const peers = (Array.isArray(wanted) ? wanted : [wanted]) as readonly PeerName[]
  if (peers.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'a list of wanted peers without any')
  for (const peer of peers as readonly unknown[]) {
    const kinds = typeof peer === 'object' && peer !== null ? peerKinds.filter((kind) => kind in peer) : []
    if (kinds.length !== 1)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `a wanted peer has one of ${peerKinds.join(', ')}; ${kinds.length} are there`,
      )
  }
  return peers
}

const peerKinds = ['dns', 'ip', 'email', 'spiffeId'] as const

/**
 * Whether the leaf has a name that is the wanted one.
 *
 * @throws ERR_INVALID_ARGUMENT for a wanted name that no certificate could have; ERR_NAME_INVALID, ERR_SPIFFE_ID_INVALID
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
    // Asked before the case is folded: folding turns some letters outside ASCII, such as the Kelvin sign, into ASCII ones.
    if (!isDnsName(wanted.dns) || ipVersion(wanted.dns) !== 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the wanted DNS name is no host name')
    const host = wanted.dns.toLowerCase()
    return {
      rule: 'RFC 9525 §6.3',
      text: `host ${host}`,
      matches: (name) => name.type === 'dns' && matchesHost(name.value.toLowerCase(), host),
    }
  }
  if ('ip' in wanted) {
    const address = parseIpAddress(wanted.ip)
    return {
      rule: 'RFC 9525 §6.4',
      text: `address ${wanted.ip}`,
      matches: (name) => name.type === 'ip' && equalBytes(name.address, address),
    }
  }
  if (!/^.+@[^@]+$/.test(wanted.email))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the wanted email address has no local part or no host')
  const mailbox = canonicalMailbox(wanted.email)
  return {
    rule: 'RFC 5280 §7.5',
    text: 'the wanted email address',
    matches: (name) => name.type === 'email' && canonicalMailbox(name.value) === mailbox,
  }
}

/** RFC 5280 §7.5: the local part is compared as it stands, the host in any case. */
function canonicalMailbox(address: string): string {
  const at = address.lastIndexOf('@')
  return address.slice(0, at + 1) + address.slice(at + 1).toLowerCase()
}

function checkSpiffeId(
  leaf: Certificate,
  wanted: SpiffeId | SpiffeIdMatcher | string,
): Rejection | undefined {
  const uris = (leaf.subjectAltName ?? []).filter((name) => name.type === 'uri')
  const [uri] = uris
  if (uris.length !== 1 || uri?.type !== 'uri')
    return reject('ERR_PATH_PEER_NAME', 'X-1', `${uris.length} URI names where one is wanted`, leaf)
  let found: SpiffeId
  try {
    found = SpiffeId.parse(uri.value)
  } catch (error) {
    if (!isPkiError(error)) throw error
    return reject('ERR_PATH_PEER_NAME', 'X-2', error.message, leaf)
  }
  if (!found.hasPath)
    return reject(
      'ERR_PATH_PEER_NAME',
      'X-2',
      `${found.toString()} has no path: it names a trust domain, not a workload`,
      leaf,
    )
  const matches =
    typeof wanted === 'function' ? (wanted(found) as unknown) === true : SpiffeId.from(wanted).equals(found)
  return matches
    ? undefined
    : reject('ERR_PATH_PEER_NAME', 'X-12', `${found.toString()} is not the wanted SPIFFE ID`, leaf)
}
