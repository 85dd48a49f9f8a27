// Unknown critical extensions: RFC 5280 §4.2, §6.1.4 (o), §6.1.5 (f).

import { extensionOids } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** Refuses a critical extension that neither this package processes nor the caller says it does. */
export function checkCriticalExtensions(certificate: Certificate, alsoKnown: readonly string[]): Rejection | undefined {
  for (const { oid, critical } of certificate.extensions) {
    if (!critical || processed.has(oid) || alsoKnown.includes(oid)) continue
    return reject('ERR_PATH_CRITICAL_EXTENSION', 'RFC 5280 §4.2', `the critical extension ${oid} is not known`, certificate)
  }
  return undefined
}

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
