// Compares one name with one subtree of a name constraint, by type (RFC 5280 §4.2.1.10).

import { ipVersion, isDnsName, isWildcard } from '../../internal/host-text.ts'
import { acceptedBy, formatGeneralName, rdnComparisonKey } from '../../x509/internal.ts'
import type { DistinguishedName, GeneralName } from '../../x509/index.ts'
import type { Tolerance } from '../../x509/internal.ts'
import { isWithinDomain, wildcardMeets } from './dns-match.ts'

/** A name prepared for comparison; no constraint can be applied to an `unusable` one. */
export type PreparedName =
  | { readonly type: 'dns'; readonly value: string; readonly wildcard: boolean }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'email'; readonly local: string; readonly value: string }
  | { readonly type: 'ip'; readonly octets: Uint8Array; readonly value: string }
  | { readonly type: 'directoryName'; readonly keys: readonly string[] }
  | { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string }

/** A prepared subtree; an `unusable` one refuses every name of its type. */
export type PreparedSubtree =
  | { readonly type: 'dns'; readonly base: string }
  | { readonly type: 'uri'; readonly base: string }
  | { readonly type: 'email'; readonly local: string | undefined; readonly base: string }
  | { readonly type: 'ip'; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly type: 'directoryName'; readonly keys: readonly string[] }
  | { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string }

/** Reads a name once. */
export function prepareName(name: GeneralName): PreparedName {
  switch (name.type) {
    case 'dns': {
      const value = name.value.toLowerCase()
      const wildcard = value.startsWith('*.')
      return (wildcard ? isWildcard(value) || isDnsName(value.slice(2)) : isDnsName(value))
        ? { type: 'dns', value, wildcard }
        : unusable('dns', `the DNS name ${quoted(name.value)}, which is malformed`)
    }
    case 'uri':
      return prepareUri(name.value)
    case 'email': {
      const at = name.value.lastIndexOf('@')
      const value = name.value.slice(at + 1).toLowerCase()
      const local = localPart(name.value.slice(0, Math.max(0, at)))
      return local !== undefined && isDnsName(value)
        ? { type: 'email', local, value }
        : unusable('email', `the email address ${quoted(name.value)}, which is malformed`)
    }
    case 'ip':
      return { type: 'ip', octets: name.address, value: name.value }
    case 'directoryName':
      return hidesCharacters(name.name)
        ? unusable('directoryName', 'a directory name with invisible characters')
        : { type: 'directoryName', keys: name.name.rdns.map(rdnComparisonKey) }
    default:
      return unusable(name.type, `the name ${quoted(formatGeneralName(name))}, whose type is not supported`)
  }
}

/** Text of a certificate in a message. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300))
}

/** Reads a base once. */
export function prepareSubtree(base: GeneralName, tolerances: readonly Tolerance[]): PreparedSubtree {
  switch (base.type) {
    case 'dns':
      return prepareDnsBase(base.value.toLowerCase(), tolerances)
    case 'uri': {
      const value = base.value.toLowerCase()
      return isHostOrDomain(value)
        ? { type: 'uri', base: value }
        : unusable('uri', 'is neither a host nor a domain')
    }
    case 'email': {
      const at = base.value.lastIndexOf('@')
      const value = base.value.slice(at + 1).toLowerCase()
      const local = at < 0 ? undefined : localPart(base.value.slice(0, at))
      const valid = at < 0 ? isHostOrDomain(value) : local !== undefined && isDnsName(value)
      return valid
        ? { type: 'email', local, base: value }
        : unusable('email', 'is neither a mailbox, a host nor a domain')
    }
    case 'ip': {
      const half = base.address.length / 2
      const mask = base.address.subarray(half)
      return isPrefixMask(mask)
        ? { type: 'ip', address: base.address.subarray(0, half), mask }
        : unusable('ip', 'has a mask that is not a prefix')
    }
    case 'directoryName':
      return hidesCharacters(base.name)
        ? unusable('directoryName', 'has invisible characters')
        : { type: 'directoryName', keys: base.name.rdns.map(rdnComparisonKey) }
    default:
      return unusable(base.type, `is on names of type ${base.type}, which are not supported`)
  }
}

function prepareDnsBase(value: string, tolerances: readonly Tolerance[]): PreparedSubtree {
  if (value === '' || isDnsName(value)) return { type: 'dns', base: value }
  if (!value.startsWith('.') || !isDnsName(value.slice(1))) return unusable('dns', 'is not a domain name')
  // §4.2.1.10 gives a leading dot a meaning in URI constraints only.
  return tolerances.includes('leading-dot-constraints')
    ? { type: 'dns', base: value }
    : unusable(
        'dns',
        `is not a domain name: expected it without the leading dot${acceptedBy('leading-dot-constraints')}`,
      )
}

/**
 * RFC 4518 §2.2 removes these characters, but other software compares them: adding one must not make an
 * excluded name permitted.
 */
function hidesCharacters({ rdns }: DistinguishedName): boolean {
  return rdns.some((rdn) =>
    rdn.some(
      ({ value }) =>
        value !== undefined && /[^\P{Cc}\t-\r]|[\p{Cf}\u034F\u180B-\u180D\uFE00-\uFE0F\uFFFC]/u.test(value),
    ),
  )
}

/**
 * Whether the name is within the subtree. A wildcard matches many names: a permitted subtree must cover all
 * of them, an excluded one any of them.
 */
export function isWithin(
  name: PreparedName,
  subtree: PreparedSubtree,
  kind: 'permitted' | 'excluded',
): boolean {
  switch (name.type) {
    case 'dns':
      if (subtree.type !== 'dns') return false
      return isDnsNameWithin(name, subtree.base, kind)
    case 'uri':
      return subtree.type === 'uri' && isHostWithin(name.value, subtree.base)
    case 'email':
      if (subtree.type !== 'email') return false
      return subtree.local === undefined
        ? isHostWithin(name.value, subtree.base)
        : name.local === subtree.local && name.value === subtree.base
    case 'ip':
      return subtree.type === 'ip' && isAddressWithin(name.octets, subtree.address, subtree.mask)
    case 'directoryName':
      return (
        subtree.type === 'directoryName' &&
        subtree.keys.length <= name.keys.length &&
        subtree.keys.every((key, at) => key === name.keys[at])
      )
    case 'unusable':
      return false
  }
}

/**
 * With a leading dot (a tolerance), the base covers the names below the domain, but not the domain itself.
 */
function isDnsNameWithin(
  { value, wildcard }: { readonly value: string; readonly wildcard: boolean },
  base: string,
  kind: 'permitted' | 'excluded',
): boolean {
  const below = base.startsWith('.')
  const domain = below ? base.slice(1) : base
  if (!wildcard) return isWithinDomain(value, domain) && !(below && value === domain)
  return kind === 'excluded' ? wildcardMeets(value, domain) : isWithinDomain(value.slice(2), domain)
}

/**
 * "A constraint that begins with a period" covers the hosts below it, but
 * not the domain itself; without a period it is exactly that host.
 */
function isHostWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.length > base.length && host.endsWith(base) : host === base
}

function isHostOrDomain(text: string): boolean {
  return isDnsName(text.startsWith('.') ? text.slice(1) : text)
}

/**
 * RFC 5321 §4.1.2: a dot-string, or a quoted string, which is the same mailbox as its unquoted content.
 * `a@b@c` is neither: software may read either `@` as the separator.
 */
function localPart(text: string): string | undefined {
  if (/^[^\s"(),:;<>@[\]\\]+$/.test(text)) return text
  return /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : undefined
}

/**
 * The host of a URI, which constraints apply to; a URI without a host, or
 * with an IP address, cannot be compared.
 */
function prepareUri(uri: string): PreparedName {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  if (authority === undefined) return unusable('uri', `the URI ${quoted(uri)}, which has no authority`)
  const host = authority
    .slice(authority.lastIndexOf('@') + 1)
    .replace(/:\d*$/, '')
    .toLowerCase()
  return ipVersion(host) === 0 && isDnsName(host)
    ? { type: 'uri', value: host }
    : unusable('uri', `the URI ${quoted(uri)}, whose authority is not a host name`)
}

function isAddressWithin(octets: Uint8Array, address: Uint8Array, mask: Uint8Array): boolean {
  if (octets.length !== address.length) return false
  for (let i = 0; i < octets.length; i++) {
    if ((((octets[i] as number) ^ (address[i] as number)) & (mask[i] as number)) !== 0) return false
  }
  return true
}

/** RFC 4632: ones, then zeros. */
function isPrefixMask(mask: Uint8Array): boolean {
  let ended = false
  for (const octet of mask) {
    if (ended ? octet !== 0 : !prefixOctets.has(octet)) return false
    ended ||= octet !== 0xff
  }
  return true
}

export function unusable(
  of: GeneralName['type'],
  reason: string,
): { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string } {
  return { type: 'unusable', of, reason }
}

const prefixOctets: ReadonlySet<number> = new Set([0xff, 0xfe, 0xfc, 0xf8, 0xf0, 0xe0, 0xc0, 0x80, 0])
