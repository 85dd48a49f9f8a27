// Rules of RFC 5280 section 4 for CAs that the profiles `rfc5280` and `webpki` check on a certificate, and
// that section 6 mostly allows a validator to ignore.

import { extensionOids as oids } from '../../x509/index.ts'
import { acceptedBy, scannedExtensions } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import { checkAltNameSyntax } from './alt-name-syntax.ts'

/** The position of a certificate in the path. */
export type PathRole = 'leaf' | 'intermediate' | 'anchor'

/** Rules of section 4 that are relaxed. */
export interface RelaxedRules {
  /** Rules that the Baseline Requirements relax. */
  readonly webpki: boolean
  /** The limit of 20 octets on serial numbers. */
  readonly longSerialNumbers: boolean
}

/** The first rule of section 4 that a certificate breaks. */
export function checkRfc5280Rules(
  certificate: Certificate,
  role: PathRole,
  { webpki, longSerialNumbers }: RelaxedRules,
): Rejection | undefined {
  const broken =
    serialNumberFault(certificate, role, longSerialNumbers) ??
    (certificate.hasUniqueIdentifiers
      ? (['4.1.2.8', 'it has a unique identifier of the issuer or the subject'] as const)
      : undefined) ??
    nameFault(certificate) ??
    keyIdentifierFault(certificate, role) ??
    caFault(certificate) ??
    criticalityFault(certificate, webpki)
  if (broken !== undefined)
    return reject('ERR_PATH_PROFILE', `RFC 5280 §${broken[0]}`, broken[1], certificate)
  return checkAltNameSyntax(certificate)
}

/** Section and text of a broken rule. */
export type Fault = readonly [string, string] | undefined

/**
 * Serial number 0 is accepted in an anchor: anchors are not identified by
 * their number, and roots with 0 are common.
 */
function serialNumberFault(
  { serialNumberBytes }: Certificate,
  role: PathRole,
  longSerialNumbers: boolean,
): Fault {
  const first = serialNumberBytes[0] ?? 0
  if (first >= 0x80) return ['4.1.2.2', 'the serial number is negative']
  if (first === 0 && serialNumberBytes.length === 1 && role !== 'anchor')
    return ['4.1.2.2', 'the serial number is 0']
  if (serialNumberBytes.length > maxSerialNumberOctets && !longSerialNumbers)
    return [
      '4.1.2.2',
      `the serial number has ${serialNumberBytes.length} octets; at most ${maxSerialNumberOctets} are ` +
        'allowed' +
        acceptedBy('long-serial-numbers'),
    ]
  return undefined
}

const maxSerialNumberOctets = 20

function nameFault(certificate: Certificate): Fault {
  if (certificate.issuer.isEmpty) return ['4.1.2.4', 'the issuer name is empty']
  if (!certificate.subject.isEmpty) return undefined
  if (certificate.basicConstraints?.ca === true) return ['4.1.2.6', 'the subject name of the CA is empty']
  const altName = certificate.extension(oids.subjectAltName)
  if (altName === undefined) return ['4.1.2.6', 'it has neither a subject nor a subject alternative name']
  return altName.critical
    ? undefined
    : ['4.2.1.6', 'the subject is empty and the subject alternative name is not critical']
}

/**
 * §4.2.1.1: required in every certificate that is not self-signed; §4.2.1.2: required in every CA
 * certificate.
 */
function keyIdentifierFault(certificate: Certificate, role: PathRole): Fault {
  const { authorityKeyIdentifier: identifier, version } = certificate
  // An anchor of version 1 or 2 cannot have extensions; whether it may issue is decided elsewhere.
  const isOldAnchor = role === 'anchor' && version !== 3
  if (identifier?.keyIdentifier === undefined && !isOldAnchor && !isSelfSigned(certificate, role)) {
    if (identifier !== undefined) return ['4.2.1.1', 'the authority key identifier has no key identifier']
    const cause = version === 3 ? '' : `: it is of version ${version}, which has no extensions`
    return ['4.2.1.1', `it has no authority key identifier${cause}`]
  }
  if (certificate.basicConstraints?.ca === true && certificate.subjectKeyIdentifier === undefined)
    return ['4.2.1.2', 'the CA has no subject key identifier']
  return undefined
}

/**
 * Between leaf and anchor, a self-issued certificate has another key than its issuer, so it is not
 * self-signed. For a leaf, the signature decides. An anchor counts as self-signed, with any issuer name.
 */
function isSelfSigned(certificate: Certificate, role: PathRole): boolean {
  if (role === 'intermediate') return false
  if (certificate.isSelfIssued && role === 'anchor') return true
  return (
    (certificate.isSelfIssued || role === 'anchor') && certificate.verifySignatureBy(certificate.publicKey)
  )
}

function caFault(certificate: Certificate): Fault {
  return certificate.basicConstraints?.ca === true ? ofCaFault(certificate) : ofNoCaFault(certificate)
}

function ofCaFault(certificate: Certificate): Fault {
  const { basicConstraints, keyUsage } = certificate
  if (keyUsage === undefined) return ['4.2.1.3', 'the CA has no key usage']
  if (!keyUsage.has('keyCertSign'))
    return basicConstraints?.pathLength === undefined ? undefined : pathLengthFault
  return certificate.extension(oids.basicConstraints)?.critical === false
    ? ['4.2.1.9', 'basic constraints of the CA are not critical']
    : undefined
}

function ofNoCaFault(certificate: Certificate): Fault {
  if (certificate.keyUsage?.has('keyCertSign') === true)
    return ['4.2.1.9', 'it has keyCertSign but is not a CA']
  if (certificate.basicConstraints?.pathLength !== undefined) return pathLengthFault
  return certificate.extension(oids.nameConstraints) === undefined
    ? undefined
    : ['4.2.1.10', 'it has name constraints but is not a CA']
}

const pathLengthFault: Fault = ['4.2.1.9', 'it has pathLenConstraint without cA and keyCertSign']

function criticalityFault(certificate: Certificate, webpki: boolean): Fault {
  for (const { oid, critical } of scannedExtensions(certificate)) {
    const rule = criticality[oid]
    if (rule === undefined || rule.critical === critical) continue
    // BR 7.1.2.5.2: "As an explicit exception from RFC 5280" name constraints need not be critical.
    if (webpki && oid === oids.nameConstraints) continue
    return [
      rule.section,
      `${rule.name} is ${critical ? '' : 'not '}critical; expected ${critical ? 'not ' : ''}critical`,
    ]
  }
  return undefined
}

const criticality: Readonly<
  Record<string, { readonly name: string; readonly critical: boolean; readonly section: string } | undefined>
> = {
  [oids.authorityKeyIdentifier]: { name: 'authority key identifier', critical: false, section: '4.2.1.1' },
  [oids.subjectKeyIdentifier]: { name: 'subject key identifier', critical: false, section: '4.2.1.2' },
  [oids.nameConstraints]: { name: 'name constraints', critical: true, section: '4.2.1.10' },
  [oids.policyConstraints]: { name: 'policy constraints', critical: true, section: '4.2.1.11' },
  [oids.inhibitAnyPolicy]: { name: 'inhibit anyPolicy', critical: true, section: '4.2.1.14' },
  [oids.freshestCrl]: { name: 'freshest CRL', critical: false, section: '4.2.1.15' },
  [oids.authorityInfoAccess]: { name: 'authority information access', critical: false, section: '4.2.2.1' },
  [oids.subjectInfoAccess]: { name: 'subject information access', critical: false, section: '4.2.2.2' },
}
