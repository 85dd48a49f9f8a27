// Unknown critical extensions: RFC 5280 §4.2, §6.1.4 (o), §6.1.5 (f).

import { readOid, readWhole, tags } from '../../der/index.ts'
import { extensionOids } from '../../x509/index.ts'
import { scannedExtensions } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'

/** Refuses a critical extension that neither this package nor the caller processes. */
export function checkCriticalExtensions(
  certificate: Certificate,
  alsoKnown: readonly string[],
): Rejection | undefined {
  for (const { oid, critical } of scannedExtensions(certificate)) {
    if (!critical || alsoKnown.includes(oid)) continue
    if (!processed.has(oid))
      return reject(
        'ERR_PATH_CRITICAL_EXTENSION',
        'RFC 5280 §4.2',
        `the critical extension ${oid} is not supported`,
        certificate,
      )
    const qualifier = oid === extensionOids.certificatePolicies ? unknownQualifier(certificate) : undefined
    if (qualifier !== undefined)
      return reject(
        'ERR_PATH_CRITICAL_EXTENSION',
        'RFC 5280 §4.2.1.4',
        `the policy qualifier ${qualifier} in critical certificate policies is not supported`,
        certificate,
      )
  }
  return undefined
}

/**
 * "MUST be able to interpret this extension (including the optional qualifier), or MUST reject the
 * certificate." The qualifiers of the RFC are texts for display.
 */
function unknownQualifier(certificate: Certificate): string | undefined {
  for (const { qualifiers } of certificate.certificatePolicies ?? []) {
    const list =
      qualifiers === undefined ? undefined : readWhole(qualifiers, tags.sequence, 'policyQualifiers')
    while (list?.done === false) {
      const one = list.expect(tags.sequence, 'PolicyQualifierInfo').inner()
      const oid = readOid(one, 'policyQualifierId')
      if (oid !== cpsQualifier && oid !== userNoticeQualifier) return oid
    }
  }
  return undefined
}

/** id-qt-cps and id-qt-unotice. */
const cpsQualifier = '1.3.6.1.5.5.7.2.1'
const userNoticeQualifier = '1.3.6.1.5.5.7.2.2'

/** Extensions that are processed here or in revocation, or that only give locations. */
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
