// One name against one subtree of a name constraint, by type: RFC 5280 §4.2.1.10.
// Name constraints: RFC 5280 §4.2.1.10, §6.1.3 (b) and (c), §6.1.4 (g).
// A name has to satisfy each CA above it by itself, which is the same as the intersections and unions of §6.1 without building them.

import { ipVersion, isDnsName, isWildcard } from '../../internal/host-text.ts'
import { generalName, rdnComparisonKey } from '../../x509/index.ts'
import type {
  Certificate,
  DistinguishedName,
  GeneralName,
  GeneralSubtree,
  NameConstraints,
} from '../../x509/index.ts'
import type { Budget } from '../budget.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { isWithinDomain, wildcardMeets } from './check-peer-name.ts'

/** A name made ready for comparison; `unusable` is one that no constraint of its type can judge. */
type PreparedName =
  | { readonly type: 'dns'; readonly value: string; readonly wildcard: boolean }
  | { readonly type: 'uri'; readonly value: string }
  | { readonly type: 'email'; readonly local: string; readonly value: string }
  | { readonly type: 'ip'; readonly octets: Uint8Array }
  | { readonly type: 'directoryName'; readonly keys: readonly string[] }
  | { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string }

/** A subtree made ready; the same for `unusable`, which refuses every name of its type. */
type PreparedSubtree =
  | { readonly type: 'dns'; readonly base: string }
  | { readonly type: 'uri'; readonly base: string }
  | { readonly type: 'email'; readonly local: string | undefined; readonly base: string }
  | { readonly type: 'ip'; readonly address: Uint8Array; readonly mask: Uint8Array }
  | { readonly type: 'directoryName'; readonly keys: readonly string[] }
  | { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string }

/** Reads a name once. */
function prepareName(name: GeneralName): PreparedName {
  switch (name.type) {
    case 'dns': {
      const value = name.value.toLowerCase()
      const wildcard = value.startsWith('*.')
      return (wildcard ? isWildcard(value) || isDnsName(value.slice(2)) : isDnsName(value))
        ? { type: 'dns', value, wildcard }
        : unusable('dns', 'a DNS name that is malformed')
    }
    case 'uri':
      return prepareUri(name.value)
    case 'email': {
      const at = name.value.lastIndexOf('@')
      const value = name.value.slice(at + 1).toLowerCase()
      const local = localPart(name.value.slice(0, Math.max(0, at)))
      return local !== undefined && isDnsName(value)
        ? { type: 'email', local, value }
        : unusable('email', 'an email address that is malformed')
    }
    case 'ip':
      return { type: 'ip', octets: name.address }
    case 'directoryName':
      return hidesCharacters(name.name)
        ? unusable('directoryName', 'a directory name with characters that are not seen')
        : { type: 'directoryName', keys: name.name.rdns.map(rdnComparisonKey) }
    default:
      return unusable(name.type, `a name of type ${name.type}`)
  }
}

/** Reads a base once. */
function prepareSubtree(base: GeneralName): PreparedSubtree {
  switch (base.type) {
    case 'dns': {
      const value = base.value.toLowerCase()
      return value === '' || isDnsName(value)
        ? { type: 'dns', base: value }
        : unusable('dns', 'a DNS constraint that is no domain name')
    }
    case 'uri': {
      const value = base.value.toLowerCase()
      return isHostOrDomain(value)
        ? { type: 'uri', base: value }
        : unusable('uri', 'a URI constraint that is neither a host nor a domain')
    }
    case 'email': {
      const at = base.value.lastIndexOf('@')
      const value = base.value.slice(at + 1).toLowerCase()
      const local = at < 0 ? undefined : localPart(base.value.slice(0, at))
      const valid = at < 0 ? isHostOrDomain(value) : local !== undefined && isDnsName(value)
      return valid
        ? { type: 'email', local, base: value }
        : unusable('email', 'an email constraint that is neither a mailbox, a host nor a domain')
    }
    case 'ip': {
      const half = base.address.length / 2
      const mask = base.address.subarray(half)
      return isPrefixMask(mask)
        ? { type: 'ip', address: base.address.subarray(0, half), mask }
        : unusable('ip', 'an address constraint whose mask is no prefix')
    }
    case 'directoryName':
      return hidesCharacters(base.name)
        ? unusable('directoryName', 'a directory name constraint with characters that are not seen')
        : { type: 'directoryName', keys: base.name.rdns.map(rdnComparisonKey) }
    default:
      return unusable(base.type, `a constraint on names of type ${base.type}`)
  }
}

/** RFC 4518 §2.2 maps them to nothing, and others compare them: what is excluded must not come in by one more of them. */
function hidesCharacters({ rdns }: DistinguishedName): boolean {
  return rdns.some((rdn) =>
    rdn.some(
      ({ value }) =>
        value !== undefined && /[^\P{Cc}\t-\r]|[\p{Cf}\u034F\u180B-\u180D\uFE00-\uFE0F\uFFFC]/u.test(value),
    ),
  )
}

/**
 * Whether the name is within the subtree. A wildcard stands for many names: for a permitted subtree all must be within it, for an
 * excluded one it is enough that one is.
 */
function isWithin(name: PreparedName, subtree: PreparedSubtree, kind: 'permitted' | 'excluded'): boolean {
  switch (name.type) {
    case 'dns':
      if (subtree.type !== 'dns') return false
      if (!name.wildcard) return isWithinDomain(name.value, subtree.base)
      return kind === 'excluded'
        ? wildcardMeets(name.value, subtree.base)
        : isWithinDomain(name.value.slice(2), subtree.base)
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

/** "A constraint that begins with a period" holds the hosts below it and not the domain itself; one without is exactly that host. */
function isHostWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.length > base.length && host.endsWith(base) : host === base
}

function isHostOrDomain(text: string): boolean {
  return isDnsName(text.startsWith('.') ? text.slice(1) : text)
}

/**
 * RFC 5321 §4.1.2: a dot-string, or a quoted string, which is the same mailbox as what is quoted. `a@b@c` is neither: who reads it may take
 * either `@` for the one that counts.
 */
function localPart(text: string): string | undefined {
  if (/^[^\s"(),:;<>@[\]\\]+$/.test(text)) return text
  return /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : undefined
}

/** The host of a URI, which constraints apply to; a URI without one, or with an IP address for one, cannot be judged. */
function prepareUri(uri: string): PreparedName {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(uri)?.[1]
  if (authority === undefined) return unusable('uri', 'a URI without an authority')
  const host = authority
    .slice(authority.lastIndexOf('@') + 1)
    .replace(/:\d*$/, '')
    .toLowerCase()
  return ipVersion(host) === 0 && isDnsName(host)
    ? { type: 'uri', value: host }
    : unusable('uri', 'a URI whose authority is no host name')
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

function unusable(
  of: GeneralName['type'],
  reason: string,
): { readonly type: 'unusable'; readonly of: GeneralName['type']; readonly reason: string } {
  return { type: 'unusable', of, reason }
}

const prefixOctets: ReadonlySet<number> = new Set([0xff, 0xfe, 0xfc, 0xf8, 0xf0, 0xe0, 0xc0, 0x80, 0])

/**
 * Checks every certificate of a path against the constraints of all above it.
 *
 * @param path Leaf first, the anchor left out.
 * @param anchorConstraints What the anchor constrains (RFC 5937).
 * @param ready What the paths before this one had made ready.
 * @throws ERR_PATH_BUDGET; what reading a malformed extension or name throws
 */
export function checkNameConstraints(
  path: readonly Certificate[],
  anchorConstraints: NameConstraints | undefined,
  budget: Budget,
  ready: PreparedNames = new PreparedNames(),
): Rejection | undefined {
  for (let above = path.length; above >= 1; above--) {
    const constraints = above === path.length ? anchorConstraints : path[above]?.nameConstraints
    if (constraints === undefined) continue
    const prepared = ready.constraintsOf(constraints)
    for (let below = above - 1; below >= 0; below--) {
      const certificate = path[below] as Certificate
      // §6.1.3 (b): "and not self-issued, unless it is the final certificate in the path".
      if (below !== 0 && certificate.isSelfIssued) continue
      const fault = checkNames(ready.namesOf(certificate), prepared, certificate, budget)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

/** Names and constraints, each read once in a verification: one path that fails is followed by others through the same certificates. */
export class PreparedNames {
  #names: Map<Certificate, NamesByType> | undefined
  #constraints: Map<NameConstraints, PreparedConstraints> | undefined

  namesOf(certificate: Certificate): NamesByType {
    this.#names ??= new Map()
    let found = this.#names.get(certificate)
    if (found === undefined) this.#names.set(certificate, (found = namesByType(namesOf(certificate))))
    return found
  }

  constraintsOf(constraints: NameConstraints): PreparedConstraints {
    this.#constraints ??= new Map()
    let found = this.#constraints.get(constraints)
    if (found === undefined) this.#constraints.set(constraints, (found = prepareConstraints(constraints)))
    return found
  }
}

/** By type, so that names which nothing constrains cost nothing. */
type NamesByType = ReadonlyMap<GeneralName['type'], readonly PreparedName[]>

function namesByType(names: readonly PreparedName[]): NamesByType {
  const sorted = new Map<GeneralName['type'], PreparedName[]>()
  for (const name of names) {
    const type = name.type === 'unusable' ? name.of : name.type
    const there = sorted.get(type)
    if (there === undefined) sorted.set(type, [name])
    else there.push(name)
  }
  return sorted
}

type ByType = ReadonlyMap<GeneralName['type'], SubtreesOfType>

interface SubtreesOfType {
  readonly subtrees: PreparedSubtree[]
  /** Why no name of this type can be judged; found once here, so that it costs nothing per name. */
  unusable: string | undefined
}

interface PreparedConstraints {
  readonly permitted: ByType
  readonly excluded: ByType
}

function prepareConstraints({ permitted, excluded }: NameConstraints): PreparedConstraints {
  return { permitted: byType(permitted), excluded: byType(excluded) }
}

function byType(subtrees: readonly GeneralSubtree[]): ByType {
  const sorted = new Map<GeneralName['type'], SubtreesOfType>()
  for (const { base, minimum, maximum } of subtrees) {
    // "minimum MUST be zero, and maximum MUST be absent"; who meets others has to process them or reject.
    const subtree: PreparedSubtree =
      minimum !== 0 || maximum !== undefined
        ? { type: 'unusable', of: base.type, reason: 'a constraint with a minimum or maximum' }
        : prepareSubtree(base)
    let ofType = sorted.get(base.type)
    if (ofType === undefined) sorted.set(base.type, (ofType = { subtrees: [], unusable: undefined }))
    ofType.subtrees.push(subtree)
    if (subtree.type === 'unusable') ofType.unusable ??= subtree.reason
  }
  return sorted
}

/** The alternative names, the subject, and the email addresses in it where no alternative name is one. */
function namesOf(certificate: Certificate): readonly PreparedName[] {
  const alternative = certificate.subjectAltName ?? []
  const names = alternative.map(prepareName)
  // RFC 9598 §6: constraints on email addresses hold for those in UTF-8 too. Who constrains them by another kind of name is asked as well.
  if (alternative.some((name) => name.type === 'otherName' && name.oid === smtpUtf8Mailbox))
    names.push(unusable('email', 'an email address in UTF-8'))
  const { subject } = certificate
  if (subject.isEmpty) return names
  names.push(prepareName({ type: 'directoryName', name: subject }))
  if (!alternative.some(({ type }) => type === 'email')) {
    for (const address of subject.values('emailAddress')) names.push(prepareName(generalName.email(address)))
  }
  return names
}

/** id-on-SmtpUTF8Mailbox: RFC 9598 §3. */
const smtpUtf8Mailbox = '1.3.6.1.5.5.7.8.9'

function checkNames(
  names: NamesByType,
  constraints: PreparedConstraints,
  certificate: Certificate,
  budget: Budget,
): Rejection | undefined {
  for (const [type, ofType] of names) {
    const permitted = constraints.permitted.get(type)
    const excluded = constraints.excluded.get(type)
    if (permitted === undefined && excluded === undefined) continue
    for (const name of ofType) {
      const fault = checkName(name, permitted, excluded, certificate, budget)
      if (fault !== undefined) return fault
    }
  }
  return undefined
}

function checkName(
  name: PreparedName,
  permitted: SubtreesOfType | undefined,
  excluded: SubtreesOfType | undefined,
  certificate: Certificate,
  budget: Budget,
): Rejection | undefined {
  const unusable = name.type === 'unusable' ? name.reason : (permitted?.unusable ?? excluded?.unusable)
  if (unusable !== undefined)
    return reject(
      'ERR_PATH_NAME_CONSTRAINTS',
      'RFC 5280 §4.2.1.10',
      `${unusable} cannot be judged`,
      certificate,
    )
  if (excluded !== undefined && anyHolds(name, excluded.subtrees, 'excluded', budget)) {
    return reject(
      'ERR_PATH_NAME_CONSTRAINTS',
      'RFC 5280 §6.1.3 (c)',
      `${describe(name)} is excluded`,
      certificate,
    )
  }
  if (permitted !== undefined && !anyHolds(name, permitted.subtrees, 'permitted', budget)) {
    return reject(
      'ERR_PATH_NAME_CONSTRAINTS',
      'RFC 5280 §6.1.3 (b)',
      `${describe(name)} is not permitted`,
      certificate,
    )
  }
  return undefined
}

function anyHolds(
  name: PreparedName,
  subtrees: readonly PreparedSubtree[],
  kind: 'permitted' | 'excluded',
  budget: Budget,
): boolean {
  for (const subtree of subtrees) {
    budget.spend('nameComparisons')
    if (isWithin(name, subtree, kind)) return true
  }
  return false
}

function describe(name: PreparedName): string {
  switch (name.type) {
    case 'dns':
      return `DNS name ${name.value}`
    case 'uri':
      return `URI host ${name.value}`
    case 'email':
      return `email address ${name.local}@${name.value}`.slice(0, 300)
    case 'ip':
      return `address of ${name.octets.length} octets`
    case 'directoryName':
      return 'the directory name'
    case 'unusable':
      return name.reason
  }
}
