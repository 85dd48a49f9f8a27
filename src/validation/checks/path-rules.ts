// The period of validity: RFC 5280 §6.1.3 (a)(2); both ends belong to it (§4.1.2.5).
// Algorithms and key strength that a profile allows (RFC 5280 §6.1.3 leaves them to local policy).
// Unknown critical extensions: RFC 5280 §4.2, §6.1.4 (o), §6.1.5 (f).
// Whether a certificate may issue others: RFC 5280 §6.1.4 (k), (n), and pathLenConstraint (l), (m).
// Key usage and extended key usage: RFC 5280 §4.2.1.3 and §4.2.1.12, nested through CAs as the web PKI has it (BR 7.1.2.10.6).

import { oidContent, readWhole, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { extensionOids, keyPurposeOids } from '../../x509/index.ts'
import type { Certificate, KeyUsageName, PublicKey } from '../../x509/index.ts'
import type { ValidationProfile } from '../profile.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** Whether the certificate is valid at a time, in ms since the epoch. */
export function checkValidity(certificate: Certificate, timeMs: number): Rejection | undefined {
  if (timeMs > certificate.notAfterMs)
    return outside(certificate, timeMs, 'ERR_PATH_EXPIRED', `valid until ${iso(certificate.notAfterMs)}`)
  if (timeMs < certificate.notBeforeMs)
    return outside(
      certificate,
      timeMs,
      'ERR_PATH_NOT_YET_VALID',
      `valid from ${iso(certificate.notBeforeMs)}`,
    )
  return undefined
}

function outside(
  certificate: Certificate,
  timeMs: number,
  code: 'ERR_PATH_EXPIRED' | 'ERR_PATH_NOT_YET_VALID',
  found: string,
): Rejection {
  return reject(code, 'RFC 5280 §6.1.3 (a)(2)', `${found}; the time is ${iso(timeMs)}`, certificate)
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** The algorithm a certificate is signed with; of an anchor nothing is asked, as nobody relies on its own signature. */
export function checkSignatureAlgorithm(
  certificate: Certificate,
  profile: ValidationProfile,
): Rejection | undefined {
  const { signatureAlgorithm: name, oid } = certificate.signatureAlgorithm
  if (name !== undefined && profile.signatureAlgorithms.includes(name)) return undefined
  const found = name ?? `the algorithm ${oid}, with these parameters`
  return reject(
    'ERR_PATH_ALGORITHM',
    `profile ${profile.name}: signature algorithms`,
    `signed with ${found}, which is not taken`,
    certificate,
  )
}

/** The kind and size of a key: a certificate's, or an anchor's without one. */
export function checkKey(
  key: PublicKey,
  profile: ValidationProfile,
  certificate?: Certificate,
): Rejection | undefined {
  const { algorithm, bits, problem, modulus } = key.info
  const rule = `profile ${profile.name}: keys`
  if (algorithm === undefined || !profile.keyAlgorithms.includes(algorithm)) {
    return reject(
      'ERR_PATH_ALGORITHM',
      rule,
      `the public key is ${algorithm ?? problem?.detail ?? 'of an unknown kind'}, which is not taken`,
      certificate,
    )
  }
  if (modulus !== undefined && (bits < profile.minimumRsaBits || bits > profile.maximumRsaBits)) {
    const wanted = `${profile.minimumRsaBits} to ${profile.maximumRsaBits}`
    return reject('ERR_PATH_ALGORITHM', rule, `an RSA key of ${bits} bits; ${wanted} are taken`, certificate)
  }
  // The key of a leaf is never imported here, so nobody else would notice.
  if (!key.isOnCurve)
    return reject(
      'ERR_PATH_ALGORITHM',
      'SP 800-56A §5.6.2.3',
      'the public key is a point that is not on its curve',
      certificate,
    )
  return undefined
}

/** Refuses a critical extension that neither this package processes nor the caller says it does. */
export function checkCriticalExtensions(
  certificate: Certificate,
  alsoKnown: readonly string[],
): Rejection | undefined {
  for (const { oid, critical } of certificate.extensions) {
    if (!critical || alsoKnown.includes(oid)) continue
    if (!processed.has(oid))
      return reject(
        'ERR_PATH_CRITICAL_EXTENSION',
        'RFC 5280 §4.2',
        `the critical extension ${oid} is not known`,
        certificate,
      )
    const qualifier = oid === extensionOids.certificatePolicies ? unknownQualifier(certificate) : undefined
    if (qualifier !== undefined)
      return reject(
        'ERR_PATH_CRITICAL_EXTENSION',
        'RFC 5280 §4.2.1.4',
        `the policy qualifier ${qualifier} in critical policies is not known`,
        certificate,
      )
  }
  return undefined
}

/** "MUST be able to interpret this extension (including the optional qualifier), or MUST reject the certificate." Those of the RFC are texts for people. */
function unknownQualifier(certificate: Certificate): string | undefined {
  for (const { qualifiers } of certificate.certificatePolicies ?? []) {
    const list =
      qualifiers === undefined ? undefined : readWhole(qualifiers, tags.sequence, 'policyQualifiers')
    while (list?.done === false) {
      const one = list.expect(tags.sequence, 'PolicyQualifierInfo').inner()
      const oid = oidContent(one.expect(tags.oid, 'policyQualifierId'))
      if (oid !== cpsQualifier && oid !== userNoticeQualifier) return oid
    }
  }
  return undefined
}

/** id-qt-cps and id-qt-unotice. */
const cpsQualifier = '1.3.6.1.5.5.7.2.1'
const userNoticeQualifier = '1.3.6.1.5.5.7.2.2'

/** Extensions whose meaning is enforced here or in revocation, or that only help to find things. */
const processed: ReadonlySet<string> = new Set([
  extensionOids.subjectKeyIdentifier,
  extensionOids.keyUsage,
  extensionOids.subjectAltName,
  extensionOids.issuerAltName,
  extensionOids.basicConstraints,
  extensionOids.nameConstraints,
  extensionOids.crlDistributionPoints,
  extensionOids.certificatePolicies,
  extensionOids.policyMappings,
  extensionOids.authorityKeyIdentifier,
  extensionOids.policyConstraints,
  extensionOids.extendedKeyUsage,
  extensionOids.freshestCrl,
  extensionOids.inhibitAnyPolicy,
  extensionOids.authorityInfoAccess,
  extensionOids.subjectInfoAccess,
])

/** A CA, which only version 3 can say, whose key usage, where present, lets it sign certificates. */
export function checkMayIssue(certificate: Certificate): Rejection | undefined {
  if (certificate.basicConstraints?.ca !== true) {
    return reject(
      'ERR_PATH_NOT_CA',
      'RFC 5280 §6.1.4 (k)',
      'basic constraints do not say that the subject is a CA',
      certificate,
    )
  }
  const { keyUsage } = certificate
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) {
    return reject(
      'ERR_PATH_NOT_CA',
      'RFC 5280 §6.1.4 (n)',
      `key usage is ${keyUsage.toString()}; keyCertSign is wanted`,
      certificate,
    )
  }
  return undefined
}

/** `below`: intermediate certificates between this one and the leaf, self-issued ones not counted. */
export function checkPathLength(certificate: Certificate, below: number): Rejection | undefined {
  const limit = certificate.basicConstraints?.pathLength
  if (limit === undefined || below <= limit) return undefined
  return reject(
    'ERR_PATH_LENGTH',
    'RFC 5280 §6.1.4 (l)',
    `pathLenConstraint is ${limit} and ${below} intermediate certificates follow`,
    certificate,
  )
}

/** A purpose by its short name, or any by object identifier. */
export type KeyPurpose = keyof typeof keyPurposeOids | (string & {})

/** The object identifier of a purpose. @throws ERR_INVALID_ARGUMENT */
export function keyPurposeOid(purpose: KeyPurpose): string {
  if (Object.hasOwn(keyPurposeOids, purpose)) return keyPurposeOids[purpose as keyof typeof keyPurposeOids]
  if (typeof purpose === 'string' && /^[0-2](\.\d+)+$/.test(purpose)) return purpose
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${JSON.stringify(purpose)} is neither the name of a purpose nor an object identifier`,
  )
}

/** The leaf may be used for every purpose in `wanted` (object identifiers). */
export function checkLeafPurpose(
  leaf: Certificate,
  wanted: readonly string[],
  profile: ValidationProfile,
): Rejection | undefined {
  const found = leaf.extendedKeyUsage
  if (found === undefined) {
    if (!profile.requireExtendedKeyUsage) return checkConsistent(leaf, wanted)
    return reject(
      'ERR_PATH_EXTENDED_KEY_USAGE',
      `profile ${profile.name}: extended key usage`,
      'extended key usage is missing',
      leaf,
    )
  }
  return checkPurpose(leaf, found, wanted, profile.acceptAnyExtendedKeyUsage) ?? checkConsistent(leaf, wanted)
}

/** A CA with an extended key usage passes on only what is in it; anyExtendedKeyUsage always passes on everything. */
export function checkNestedPurpose(issuer: Certificate, wanted: readonly string[]): Rejection | undefined {
  const found = issuer.extendedKeyUsage
  return found === undefined ? undefined : checkPurpose(issuer, found, wanted, true)
}

/** The leaf's key usage, where present, has every one of these. */
export function checkLeafKeyUsage(leaf: Certificate, wanted: readonly KeyUsageName[]): Rejection | undefined {
  const { keyUsage } = leaf
  if (keyUsage === undefined) return undefined
  for (const usage of wanted) {
    if (keyUsage.has(usage)) continue
    return reject(
      'ERR_PATH_KEY_USAGE',
      'RFC 5280 §4.2.1.3',
      `key usage is ${keyUsage.toString()}; ${usage} is wanted`,
      leaf,
    )
  }
  return undefined
}

/** §4.2.1.12: "the certificate MUST only be used for a purpose consistent with both" extensions. A CA in the place of a leaf is let be. */
function checkConsistent(leaf: Certificate, wanted: readonly string[]): Rejection | undefined {
  const { keyUsage } = leaf
  if (keyUsage === undefined || leaf.basicConstraints?.ca === true) return undefined
  for (const purpose of wanted) {
    const usages = consistent[purpose]
    if (usages === undefined || usages.some((usage) => keyUsage.has(usage))) continue
    return reject(
      'ERR_PATH_KEY_USAGE',
      'RFC 5280 §4.2.1.12',
      `key usage is ${keyUsage.toString()}; one of ${usages.join(', ')} is wanted for ${purpose}`,
      leaf,
    )
  }
  return undefined
}

/** "Key usage bits that may be consistent" with each purpose. */
const consistent: Readonly<Record<string, readonly KeyUsageName[] | undefined>> = {
  [keyPurposeOids.serverAuth]: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
  [keyPurposeOids.clientAuth]: ['digitalSignature', 'keyAgreement'],
  [keyPurposeOids.codeSigning]: ['digitalSignature'],
  [keyPurposeOids.emailProtection]: [
    'digitalSignature',
    'contentCommitment',
    'keyEncipherment',
    'keyAgreement',
  ],
  [keyPurposeOids.timeStamping]: ['digitalSignature', 'contentCommitment'],
  [keyPurposeOids.ocspSigning]: ['digitalSignature', 'contentCommitment'],
}

function checkPurpose(
  certificate: Certificate,
  found: readonly string[],
  wanted: readonly string[],
  anyWillDo: boolean,
): Rejection | undefined {
  for (const purpose of wanted) {
    if (found.includes(purpose) || (anyWillDo && found.includes(keyPurposeOids.any))) continue
    return reject(
      'ERR_PATH_EXTENDED_KEY_USAGE',
      'RFC 5280 §4.2.1.12',
      `extended key usage is ${found.join(', ')}; ${purpose} is wanted`,
      certificate,
    )
  }
  return undefined
}
