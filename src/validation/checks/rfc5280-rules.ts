// What RFC 5280 section 4 demands of the CA that makes a certificate, as far as the certificate shows it.
// Section 6 lets a validator pass over most of this; the profiles `rfc5280` and `webpki` do not.

import { extensionOids as oids } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { checkAltNameSyntax } from './alt-name-syntax.ts'

/** Where in the path a certificate stands. */
export type PathRole = 'leaf' | 'intermediate' | 'anchor'

/** The rules of section 4; those that the web PKI relaxes are named by `webpki`. */
export function checkRfc5280Rules(certificate: Certificate, role: PathRole, webpki: boolean): Rejection | undefined {
  const broken = serialFault(certificate) ?? nameFault(certificate) ?? keyIdentifierFault(certificate, role) ?? caFault(certificate) ?? criticalityFault(certificate, webpki)
  if (broken !== undefined) return reject('ERR_PATH_PROFILE', `RFC 5280 §${broken[0]}`, broken[1], certificate)
  return checkAltNameSyntax(certificate)
}

/** Section and text. */
type Fault = readonly [string, string] | undefined

function serialFault({ serialNumberBytes }: Certificate): Fault {
  const first = serialNumberBytes[0] ?? 0
  if (first >= 0x80) return ['4.1.2.2', 'a negative serial number']
  if (first === 0 && serialNumberBytes.length === 1) return ['4.1.2.2', 'serial number 0']
  return undefined
}

function nameFault(certificate: Certificate): Fault {
  if (certificate.issuer.isEmpty) return ['4.1.2.4', 'the issuer is an empty name']
  if (!certificate.subject.isEmpty) return undefined
  if (certificate.basicConstraints?.ca === true) return ['4.1.2.6', 'a CA whose subject is an empty name']
  const altName = certificate.extension(oids.subjectAltName)
  if (altName === undefined) return ['4.1.2.6', 'neither a subject nor a subject alternative name']
  return altName.critical ? undefined : ['4.2.1.6', 'the subject is empty and the subject alternative name is not critical']
}

/** §4.2.1.1: in every certificate but a self-signed one; §4.2.1.2: in every CA's. */
function keyIdentifierFault(certificate: Certificate, role: PathRole): Fault {
  if (certificate.authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfSigned(certificate, role)) {
    return ['4.2.1.1', 'the authority key identifier has no key identifier']
  }
  if (certificate.basicConstraints?.ca === true && certificate.subjectKeyIdentifier === undefined) return ['4.2.1.2', 'a CA without subject key identifier']
  return undefined
}

/**
 * Between leaf and anchor a self-issued certificate carries another key than its issuer's, so it is not self-signed. An anchor is
 * where its signature says so, whatever name it gives as its issuer.
 */
function isSelfSigned(certificate: Certificate, role: PathRole): boolean {
  if (role === 'intermediate') return false
  return certificate.isSelfIssued || (role === 'anchor' && certificate.verifySignatureBy(certificate.publicKey))
}

function caFault(certificate: Certificate): Fault {
  const { basicConstraints, keyUsage } = certificate
  const ca = basicConstraints?.ca === true
  const signs = keyUsage === undefined || keyUsage.has('keyCertSign')
  if (ca && keyUsage === undefined) return ['4.2.1.3', 'a CA without key usage']
  if (keyUsage?.bits === 0) return ['4.2.1.3', 'key usage without any usage']
  if (keyUsage?.has('keyCertSign') === true && !ca) return ['4.2.1.9', 'keyCertSign in a certificate that is no CA']
  if (basicConstraints?.pathLength !== undefined && !(ca && signs)) return ['4.2.1.9', 'pathLenConstraint without cA and keyCertSign']
  if (ca && signs && certificate.extension(oids.basicConstraints)?.critical === false) return ['4.2.1.9', 'basic constraints of a CA that are not critical']
  if (!ca && certificate.extension(oids.nameConstraints) !== undefined) return ['4.2.1.10', 'name constraints in a certificate that is no CA']
  return undefined
}

function criticalityFault(certificate: Certificate, webpki: boolean): Fault {
  for (const { oid, critical } of certificate.extensions) {
    const rule = criticality[oid]
    if (rule === undefined || rule.critical === critical) continue
    // BR 7.1.2.5.2: "As an explicit exception from RFC 5280" name constraints need not be critical.
    if (webpki && oid === oids.nameConstraints) continue
    return [rule.section, `${rule.name} is ${critical ? '' : 'not '}critical, and must ${critical ? 'not ' : ''}be`]
  }
  return undefined
}

const criticality: Readonly<Record<string, { readonly name: string; readonly critical: boolean; readonly section: string } | undefined>> = {
  [oids.authorityKeyIdentifier]: { name: 'authority key identifier', critical: false, section: '4.2.1.1' },
  [oids.subjectKeyIdentifier]: { name: 'subject key identifier', critical: false, section: '4.2.1.2' },
  [oids.nameConstraints]: { name: 'name constraints', critical: true, section: '4.2.1.10' },
  [oids.policyConstraints]: { name: 'policy constraints', critical: true, section: '4.2.1.11' },
  [oids.inhibitAnyPolicy]: { name: 'inhibit anyPolicy', critical: true, section: '4.2.1.14' },
  [oids.freshestCrl]: { name: 'freshest CRL', critical: false, section: '4.2.1.15' },
  [oids.authorityInfoAccess]: { name: 'authority information access', critical: false, section: '4.2.2.1' },
  [oids.subjectInfoAccess]: { name: 'subject information access', critical: false, section: '4.2.2.2' },
}
