// Checks of one certificate that need its octets, its place in the path, and the settings of the validator.

import { isPkiError } from '../../errors/index.ts'
import { extensionOids as oids } from '../../x509/index.ts'
import { scannedExtensions } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import type { FormRules } from '../profile.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { checkCriticalExtensions } from './critical-extensions.ts'
import { checkKey, checkSignatureAlgorithm } from './path-rules.ts'
import { checkRfc5280Rules } from './rfc5280-rules.ts'
import type { PathRole } from './rfc5280-rules.ts'
import { checkWebpkiRules } from './webpki-rules.ts'

/** The first rule of form that a certificate breaks. @throws PkiError for a malformed field or extension */
export function checkForm(
  certificate: Certificate,
  role: PathRole,
  { profile, knownCriticalExtensions, tolerances }: FormRules,
): Rejection | undefined {
  certificate.checkPathFields()
  return (
    checkCriticalExtensions(certificate, knownCriticalExtensions) ??
    (role === 'anchor' ? undefined : checkSignatureAlgorithm(certificate, profile)) ??
    checkKey(certificate.publicKey, profile, certificate) ??
    checkLocations(certificate, profile.certificateRules === 'path') ??
    (profile.certificateRules === 'path'
      ? undefined
      : checkRfc5280Rules(certificate, role, {
          webpki: profile.certificateRules === 'webpki',
          longSerialNumbers: tolerances.includes('long-serial-numbers'),
        })) ??
    (profile.certificateRules === 'webpki' ? checkWebpkiRules(certificate, role) : undefined)
  )
}

/**
 * The extensions that give locations (CRL distribution points, information access, issuerAltName), and the
 * qualifiers of policies. RFC 5280 section 6 does not read them, so a malformed one breaks rules of section 4
 * only, unless it is critical.
 */
function checkLocations(certificate: Certificate, sectionSixOnly: boolean): Rejection | undefined {
  if (
    sectionSixOnly &&
    !scannedExtensions(certificate).some(({ oid, critical }) => critical && locations.has(oid))
  )
    return undefined
  try {
    certificate.checkLocations()
    return undefined
  } catch (cause) {
    if (!isPkiError(cause)) throw cause
    return reject('ERR_PATH_PROFILE', 'RFC 5280 §4.2', cause.message, certificate)
  }
}

const locations: ReadonlySet<string> = new Set([
  oids.issuerAltName,
  oids.crlDistributionPoints,
  oids.freshestCrl,
  oids.authorityInfoAccess,
  oids.subjectInfoAccess,
  oids.certificatePolicies,
])
