// Certificate policies, mappings, constraints and inhibit-any: RFC 5280 sections 4.2.1.4, 4.2.1.5, 4.2.1.11 and 4.2.1.14.

import { DerReader, checkWellFormed, contextPrimitive, decodeOid, integer, oid, readWhole, sequence, smallInteger, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'

/** A policy and the DER of its qualifiers, which are shown and never judged. */
export interface PolicyInformation {
  readonly policy: string
  readonly qualifiers: Uint8Array | undefined
}

/** An issuer's policy that its subject calls by another name. */
export interface PolicyMapping {
  readonly issuerDomainPolicy: string
  readonly subjectDomainPolicy: string
}

/** After how many certificates a policy is required, and mapping forbidden. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy: number | undefined
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
    if (seen.has(policy)) throw new PkiError('ERR_EXTENSION_MALFORMED', `certificatePolicies: ${policy} twice (RFC 5280 4.2.1.4)`)
    if (seen.add(policy).size > maxPolicies) throw new PkiError('ERR_LIMIT_EXCEEDED', `certificatePolicies: more than ${String(maxPolicies)}`)
    policies.push({ policy, qualifiers })
  }
  if (policies.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'certificatePolicies: no policy at all (RFC 5280: SIZE (1..MAX))')
  return policies
}

/** @throws ERR_DER, ERR_OID_INVALID, ERR_EXTENSION_MALFORMED, ERR_LIMIT_EXCEEDED */
export function parsePolicyMappings(der: Uint8Array): readonly PolicyMapping[] {
  const list = readWhole(der, tags.sequence, 'policyMappings')
  const mappings: PolicyMapping[] = []
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'policyMapping').inner()
    mappings.push({ issuerDomainPolicy: readOid(reader, 'issuerDomainPolicy'), subjectDomainPolicy: readOid(reader, 'subjectDomainPolicy') })
    reader.finish('policyMapping')
    if (mappings.length > maxPolicies) throw new PkiError('ERR_LIMIT_EXCEEDED', `policyMappings: more than ${String(maxPolicies)}`)
  }
  if (mappings.length === 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyMappings: no mapping at all (RFC 5280: SIZE (1..MAX))')
  return mappings
}

/** @throws ERR_DER, ERR_EXTENSION_MALFORMED */
export function parsePolicyConstraints(der: Uint8Array): PolicyConstraints {
  const reader = readWhole(der, tags.sequence, 'policyConstraints')
  const requireExplicitPolicy = reader.optional(contextPrimitive(0)) ? smallInteger(reader, 'requireExplicitPolicy') : undefined
  const inhibitPolicyMapping = reader.optional(contextPrimitive(1)) ? smallInteger(reader, 'inhibitPolicyMapping') : undefined
  reader.finish('policyConstraints')
  // RFC 5280 4.2.1.11: "Conforming CAs MUST NOT issue certificates where policy constraints is an empty sequence."
  if (requireExplicitPolicy === undefined && inhibitPolicyMapping === undefined) throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyConstraints: empty')
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
  return sequence(...mappings.map((mapping) => sequence(oid(mapping.issuerDomainPolicy), oid(mapping.subjectDomainPolicy))))
}

/** DER of a policy constraints extension. */
export function encodePolicyConstraints({ requireExplicitPolicy, inhibitPolicyMapping }: PolicyConstraints): Uint8Array {
  return sequence(
    ...(requireExplicitPolicy === undefined ? [] : [integer(requireExplicitPolicy, contextPrimitive(0))]),
    ...(inhibitPolicyMapping === undefined ? [] : [integer(inhibitPolicyMapping, contextPrimitive(1))]),
  )
}

function readQualifiers(list: DerReader): void {
  if (list.peek() < 0) throw new PkiError('ERR_EXTENSION_MALFORMED', 'policyQualifiers: an empty list (RFC 5280: SIZE (1..MAX))')
  while (!list.done) {
    const reader = list.expect(tags.sequence, 'PolicyQualifierInfo').inner()
    readOid(reader, 'policyQualifierId')
    reader.next()
    checkWellFormed(reader.element(), 'qualifier')
    reader.finish('PolicyQualifierInfo')
  }
}

function readOid(reader: DerReader, what: string): string {
  reader.expect(tags.oid, what)
  return decodeOid(reader.bytes, reader.contentStart, reader.contentEnd)
}

const maxPolicies = 1000
