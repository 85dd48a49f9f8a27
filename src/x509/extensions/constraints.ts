// Basic constraints: RFC 5280 section 4.2.1.9. Name constraints: section 4.2.1.10.
// Certificate policies, mappings, constraints and inhibit-any: RFC 5280 sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14.

import {
  DerReader,
  boolean,
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  explicit,
  integer,
  oid,
  oidContent,
  optionalTrue,
  readWhole,
  sequence,
  smallInteger,
  tags,
} from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { encodeConstraintBase, readGeneralName } from '../names/general-name.ts'
import type { GeneralName } from '../names/general-name.ts'

/** Whether the subject is a CA, and how many intermediates may follow it. */
export interface BasicConstraints {
  readonly ca: boolean
  /** Most non-self-issued intermediate certificates below this one; undefined = no limit. */
  readonly pathLength: number | undefined
}

/** @throws ERR_DER */
export function parseBasicConstraints(der: Uint8Array): BasicConstraints {
  const reader = readWhole(der, tags.sequence, 'basicConstraints')
  const ca = optionalTrue(reader, 'cA')
  const pathLength = reader.done
    ? undefined
    : smallInteger(reader.expect(tags.integer, 'pathLenConstraint'), 'pathLenConstraint')
  reader.finish('basicConstraints')
  return { ca, pathLength }
}

/** DER of basic constraints. */
export function encodeBasicConstraints({ ca, pathLength }: BasicConstraints): Uint8Array {
  if (!ca) return sequence()
  return pathLength === undefined ? sequence(boolean(true)) : sequence(boolean(true), integer(pathLength))
}

/** A subtree of names. `minimum` is 0 and `maximum` absent in this profile; other values are reported, the validator refuses them. */
export interface GeneralSubtree {
  readonly base: GeneralName
  readonly minimum: number
  readonly maximum: number | undefined
}

/** Which names certificates further down may have. */
export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[]
  readonly excluded: readonly GeneralSubtree[]
}

/** @throws ERR_DER, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseNameConstraints(der: Uint8Array): NameConstraints {
  const reader = readWhole(der, tags.sequence, 'nameConstraints')
  const permitted = reader.optional(contextConstructed(0)) ? readSubtrees(reader.inner()) : undefined
  const excluded = reader.optional(contextConstructed(1)) ? readSubtrees(reader.inner()) : undefined
  reader.finish('nameConstraints')
  // RFC 5280: "Conforming CAs MUST NOT issue certificates where name constraints is an empty sequence."
  if (permitted === undefined && excluded === undefined)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'nameConstraints: neither permitted nor excluded subtrees')
  return { permitted: permitted ?? [], excluded: excluded ?? [] }
}

/** DER of the name constraints extension. */
export function encodeNameConstraints({ permitted, excluded }: NameConstraints): Uint8Array {
  const trees = (list: readonly GeneralSubtree[]): Uint8Array[] =>
    list.map(({ base, minimum, maximum }) =>
      sequence(
        encodeConstraintBase(base),
        ...(minimum === 0 ? [] : [integer(minimum, contextPrimitive(0))]),
        ...(maximum === undefined ? [] : [integer(maximum, contextPrimitive(1))]),
      ),
    )
  return sequence(
    ...(permitted.length === 0 ? [] : [explicit(0, ...trees(permitted))]),
    ...(excluded.length === 0 ? [] : [explicit(1, ...trees(excluded))]),
  )
}

function readSubtrees(list: DerReader): GeneralSubtree[] {
  const subtrees: GeneralSubtree[] = []
  while (!list.done) {
    if (subtrees.length >= maxSubtrees)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `nameConstraints: more than ${String(maxSubtrees)} subtrees`)
    const reader = list.expect(tags.sequence, 'GeneralSubtree').inner()
    const base = readGeneralName(reader, 'constraint')
    let minimum = 0
    if (reader.optional(contextPrimitive(0))) {
      minimum = smallInteger(reader, 'minimum')
      if (minimum === 0)
        throw new PkiError('ERR_DER', 'minimum: 0 is the default and must be left out (X.690 11.5)')
    }
    const maximum = reader.optional(contextPrimitive(1)) ? smallInteger(reader, 'maximum') : undefined
    reader.finish('GeneralSubtree')
    subtrees.push({ base, minimum, maximum })
  }
  if (subtrees.length === 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'nameConstraints: an empty list of subtrees (RFC 5280: SIZE (1..MAX))',
    )
  return subtrees
}

const maxSubtrees = 10_000

/** A policy and the DER of its qualifiers, which are shown and never judged. */
export interface PolicyInformation {
  /** Object identifier. */
  readonly policy: string
  /** DER, as it stands. */
  readonly qualifiers: Uint8Array | undefined
}

/** An issuer's policy that its subject calls by another name. */
export interface PolicyMapping {
  /** Object identifier. */
  readonly issuerDomainPolicy: string
  /** Object identifier. */
  readonly subjectDomainPolicy: string
}

/** After how many certificates a policy is required, and mapping forbidden. */
export interface PolicyConstraints {
  /** Certificates that may follow before a policy is required. */
  readonly requireExplicitPolicy: number | undefined
  /** Certificates that may follow before policies are mapped no more. */
  readonly inhibitPolicyMapping: number | undefined
}

/** No policy twice (RFC 5280 4.2.1.4). @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseCertificatePolicies(der: Uint8Array): readonly PolicyInformation[] {
  const list = readWhole(der, tags.sequence, 'certificatePolicies')
  const policies: PolicyInformation[] = []
  const seen = new Set<string>()
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'PolicyInformation').inner()
    const policy = readOid(reader, 'policyIdentifier')
    let qualifiers: Uint8Array | undefined
    if (!reader.done) {
      reader.expect(tags.sequence, 'policyQualifiers')
      qualifiers = reader.element()
      readQualifiers(reader.inner())
    }
    reader.finish('PolicyInformation')
    if (seen.has(policy))
      throw new PkiError('ERR_EXTENSION_MALFORMED', `certificatePolicies: ${policy} twice (RFC 5280 4.2.1.4)`)
    if (seen.add(policy).size > maxPolicies)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `certificatePolicies: more than ${String(maxPolicies)}`)
    policies.push({ policy, qualifiers })
  }
  if (policies.length === 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'certificatePolicies: no policy at all (RFC 5280: SIZE (1..MAX))',
    )
  return policies
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parsePolicyMappings(der: Uint8Array): readonly PolicyMapping[] {
  const list = readWhole(der, tags.sequence, 'policyMappings')
  const mappings: PolicyMapping[] = []
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'policyMapping').inner()
    mappings.push({
      issuerDomainPolicy: readOid(reader, 'issuerDomainPolicy'),
      subjectDomainPolicy: readOid(reader, 'subjectDomainPolicy'),
    })
    reader.finish('policyMapping')
    if (mappings.length > maxPolicies)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `policyMappings: more than ${String(maxPolicies)}`)
  }
  if (mappings.length === 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'policyMappings: no mapping at all (RFC 5280: SIZE (1..MAX))',
    )
  return mappings
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parsePolicyConstraints(der: Uint8Array): PolicyConstraints {
  const reader = readWhole(der, tags.sequence, 'policyConstraints')
  const requireExplicitPolicy = reader.optional(contextPrimitive(0))
    ? smallInteger(reader, 'requireExplicitPolicy')
    : undefined
  const inhibitPolicyMapping = reader.optional(contextPrimitive(1))
    ? smallInteger(reader, 'inhibitPolicyMapping')
    : undefined
  reader.finish('policyConstraints')
  // RFC 5280 4.2.1.11: "Conforming CAs MUST NOT issue certificates where policy constraints is an empty sequence."
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyConstraints: empty')
  return { requireExplicitPolicy, inhibitPolicyMapping }
}

/** How many more certificates anyPolicy counts in. @throws ERR_DER */
export function parseInhibitAnyPolicy(der: Uint8Array): number {
  const reader = new DerReader(der)
  const skipCerts = smallInteger(reader.expect(tags.integer, 'inhibitAnyPolicy'), 'inhibitAnyPolicy')
  reader.finish('inhibitAnyPolicy')
  return skipCerts
}

/** DER of a certificate policies extension without qualifiers. */
export function encodeCertificatePolicies(policies: readonly string[]): Uint8Array {
  return sequence(...policies.map((policy) => sequence(oid(policy))))
}

/** DER of a policy mappings extension. */
export function encodePolicyMappings(mappings: readonly PolicyMapping[]): Uint8Array {
  return sequence(
    ...mappings.map((mapping) => sequence(oid(mapping.issuerDomainPolicy), oid(mapping.subjectDomainPolicy))),
  )
}

/** DER of a policy constraints extension. */
export function encodePolicyConstraints({
  requireExplicitPolicy,
  inhibitPolicyMapping,
}: PolicyConstraints): Uint8Array {
  return sequence(
    ...(requireExplicitPolicy === undefined ? [] : [integer(requireExplicitPolicy, contextPrimitive(0))]),
    ...(inhibitPolicyMapping === undefined ? [] : [integer(inhibitPolicyMapping, contextPrimitive(1))]),
  )
}

function readQualifiers(list: DerReader): void {
  if (list.peek() < 0)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyQualifiers: an empty list (RFC 5280: SIZE (1..MAX))')
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'PolicyQualifierInfo').inner()
    readOid(reader, 'policyQualifierId')
    reader.next()
    checkWellFormed(reader.element(), 'qualifier')
    reader.finish('PolicyQualifierInfo')
  }
}

function readOid(reader: DerReader, what: string): string {
  return oidContent(reader.expect(tags.oid, what))
}

const maxPolicies = 1000
