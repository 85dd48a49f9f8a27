// Basic constraints, name constraints and policy extensions: RFC 5280
// sections 4.2.1.9, 4.2.1.10, 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14.

import {
  boolean,
  checkWellFormed,
  contextConstructed,
  contextPrimitive,
  explicit,
  integer,
  oid,
  readOid,
  readWhole,
  readerOf,
  sequence,
  smallInteger,
  tags,
} from '../../der/index.ts'
import type { DerInput, DerReader } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { noTolerances, refuseExplicitDefault } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'
import { defaultFalse } from './extension.ts'
import { encodeConstraintBase } from '../names/general-name-encoder.ts'
import { readGeneralName } from '../names/general-name-reader.ts'
import type { GeneralName } from '../names/general-name.ts'

/** Whether the subject is a CA, and its path length constraint. */
export interface BasicConstraints {
  readonly ca: boolean
  /**
   * The maximum number of non-self-issued intermediate certificates below this one; undefined means no limit.
   */
  readonly pathLength: number | undefined
}

/** @throws ERR_DER */
export function parseBasicConstraints(
  der: DerInput,
  tolerances: readonly Tolerance[] = noTolerances,
): BasicConstraints {
  const reader = readWhole(der, tags.sequence, 'basicConstraints')
  const ca = defaultFalse(reader, tags.boolean, 'cA', tolerances, 'basicConstraints')
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

/**
 * A subtree of names. `minimum` must be 0 and `maximum` absent in this profile; other values are returned
 * here, and the validator refuses them.
 */
export interface GeneralSubtree {
  readonly base: GeneralName
  readonly minimum: number
  readonly maximum: number | undefined
}

/** The names that certificates below the CA may have. */
export interface NameConstraints {
  readonly permitted: readonly GeneralSubtree[]
  readonly excluded: readonly GeneralSubtree[]
}

/** @throws ERR_DER, ERR_NAME_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parseNameConstraints(
  der: DerInput,
  tolerances: readonly Tolerance[] = noTolerances,
): NameConstraints {
  const reader = readWhole(der, tags.sequence, 'nameConstraints')
  const permitted = reader.optional(contextConstructed(0), 'permittedSubtrees')
    ? readSubtrees(reader.inner(), tolerances)
    : undefined
  const excluded = reader.optional(contextConstructed(1), 'excludedSubtrees')
    ? readSubtrees(reader.inner(), tolerances)
    : undefined
  reader.finish('nameConstraints')
  // RFC 5280: "Conforming CAs MUST NOT issue certificates where name constraints is an empty sequence."
  if (permitted === undefined && excluded === undefined)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'nameConstraints has no permitted or excluded subtrees')
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

function readSubtrees(list: DerReader, tolerances: readonly Tolerance[]): GeneralSubtree[] {
  const subtrees: GeneralSubtree[] = []
  while (!list.done) {
    if (subtrees.length >= maxSubtrees)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `nameConstraints: more than ${String(maxSubtrees)} subtrees`)
    const reader = list.expect(tags.sequence, 'GeneralSubtree').inner()
    const base = readGeneralName(reader, 'constraint', tolerances)
    let minimum = 0
    if (reader.optional(contextPrimitive(0), 'minimum')) {
      minimum = smallInteger(reader, 'minimum')
      if (minimum === 0) refuseExplicitDefault('nameConstraints: minimum 0', tolerances)
    }
    const maximum = reader.optional(contextPrimitive(1), 'maximum')
      ? smallInteger(reader, 'maximum')
      : undefined
    reader.finish('GeneralSubtree')
    subtrees.push({ base, minimum, maximum })
  }
  if (subtrees.length === 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'nameConstraints: a list of subtrees is empty (RFC 5280: SIZE (1..MAX))',
    )
  return subtrees
}

const maxSubtrees = 10_000

/** A policy and the DER of its qualifiers, which are displayed and not evaluated. */
export interface PolicyInformation {
  /** Object identifier. */
  readonly policy: string
  /** The DER, unchanged. */
  readonly qualifiers: Uint8Array | undefined
}

/** A policy of the issuer and the subject's policy that is equivalent to it. */
export interface PolicyMapping {
  /** Object identifier. */
  readonly issuerDomainPolicy: string
  /** Object identifier. */
  readonly subjectDomainPolicy: string
}

/** Numbers of certificates after which a policy is required, and after which mapping is inhibited. */
export interface PolicyConstraints {
  /** Certificates that may follow before a policy is required. */
  readonly requireExplicitPolicy: number | undefined
  /** Certificates that may follow before policies are no longer mapped. */
  readonly inhibitPolicyMapping: number | undefined
}

/**
 * Duplicate policies are refused (RFC 5280 4.2.1.4). Qualifiers are texts for people, which section 6 does
 * not read; `checkPolicyQualifiers` checks them.
 * @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED
 */
export function parseCertificatePolicies(der: DerInput): readonly PolicyInformation[] {
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
    }
    reader.finish('PolicyInformation')
    if (seen.has(policy))
      throw new PkiError(
        'ERR_EXTENSION_MALFORMED',
        `certificatePolicies: ${policy} repeats (RFC 5280 4.2.1.4)`,
      )
    if (seen.add(policy).size > maxPolicies)
      throw new PkiError('ERR_LIMIT_EXCEEDED', `certificatePolicies: more than ${String(maxPolicies)}`)
    policies.push({ policy, qualifiers })
  }
  if (policies.length === 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'certificatePolicies: the list is empty (RFC 5280: SIZE (1..MAX))',
    )
  return policies
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parsePolicyMappings(der: DerInput): readonly PolicyMapping[] {
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
      'policyMappings: the list is empty (RFC 5280: SIZE (1..MAX))',
    )
  return mappings
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parsePolicyConstraints(der: DerInput): PolicyConstraints {
  const reader = readWhole(der, tags.sequence, 'policyConstraints')
  const requireExplicitPolicy = reader.optional(contextPrimitive(0), 'requireExplicitPolicy')
    ? smallInteger(reader, 'requireExplicitPolicy')
    : undefined
  const inhibitPolicyMapping = reader.optional(contextPrimitive(1), 'inhibitPolicyMapping')
    ? smallInteger(reader, 'inhibitPolicyMapping')
    : undefined
  reader.finish('policyConstraints')
  // RFC 5280 4.2.1.11: "Conforming CAs MUST NOT issue certificates where
  // policy constraints is an empty sequence."
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined)
    throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyConstraints is empty')
  return { requireExplicitPolicy, inhibitPolicyMapping }
}

/** The number of further certificates in which anyPolicy is accepted. @throws ERR_DER */
export function parseInhibitAnyPolicy(der: DerInput): number {
  const reader = readerOf(der)
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

/**
 * Checks the qualifiers of all policies: RFC 5280 4.2.1.4.
 * @throws ERR_STRING_INVALID, ERR_TIME_INVALID; as `parseCertificatePolicies`
 */
export function checkPolicyQualifiers(der: DerInput): void {
  for (const { qualifiers } of parseCertificatePolicies(der))
    if (qualifiers !== undefined) readQualifiers(readWhole(qualifiers, tags.sequence, 'policyQualifiers'))
}

function readQualifiers(list: DerReader): void {
  if (list.peek() < 0)
    throw new PkiError(
      'ERR_EXTENSION_MALFORMED',
      'policyQualifiers: the list is empty (RFC 5280: SIZE (1..MAX))',
    )
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'PolicyQualifierInfo').inner()
    readOid(reader, 'policyQualifierId')
    reader.next('qualifier')
    checkWellFormed(reader.element(), 'qualifier')
    reader.finish('PolicyQualifierInfo')
  }
}

const maxPolicies = 1000
