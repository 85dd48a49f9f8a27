// What RFC 5280 section 4 demands of the CA that makes a certificate, as far as the certificate shows it.
// Section 6 lets a validator pass over most of this; the profiles `rfc5280` and `webpki` do not.
// The syntax of subject alternative names: RFC 5280 §4.2.1.6.
// The CA/Browser Forum's Baseline Requirements for TLS certificates (BR), as far as a relying party can see them.

import { equalBytes } from '../../internal/bytes.ts'
import { ipVersion, isHostName, isPresentedName } from '../../internal/host-text.ts'
import {
  extensionOids as oids,
  formatIpAddress,
  keyPurposeOids,
  signatureAlgorithms,
} from '../../x509/index.ts'
import type { Certificate, GeneralName, KeyUsageName } from '../../x509/index.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'

/** Where in the path a certificate stands. */
export type PathRole = 'leaf' | 'intermediate' | 'anchor'

/** The rules of section 4; those that the web PKI relaxes are named by `webpki`. */
export function checkRfc5280Rules(
  certificate: Certificate,
  role: PathRole,
  webpki: boolean,
): Rejection | undefined {
  const broken =
    fieldFault(certificate, role) ??
    nameFault(certificate) ??
    keyIdentifierFault(certificate, role) ??
    caFault(certificate) ??
    criticalityFault(certificate, webpki)
  if (broken !== undefined)
    return reject('ERR_PATH_PROFILE', `RFC 5280 §${broken[0]}`, broken[1], certificate)
  return checkAltNameSyntax(certificate)
}

/** Section and text. */
type Fault = readonly [string, string] | undefined

/** Nobody has to tell an anchor by its serial number; roots with number 0 are in every store. */
function fieldFault({ serialNumberBytes, hasUniqueIdentifiers }: Certificate, role: PathRole): Fault {
  const first = serialNumberBytes[0] ?? 0
  if (first >= 0x80) return ['4.1.2.2', 'a negative serial number']
  if (first === 0 && serialNumberBytes.length === 1 && role !== 'anchor')
    return ['4.1.2.2', 'serial number 0']
  return hasUniqueIdentifiers ? ['4.1.2.8', 'a unique identifier of the issuer or the subject'] : undefined
}

function nameFault(certificate: Certificate): Fault {
  if (certificate.issuer.isEmpty) return ['4.1.2.4', 'the issuer is an empty name']
  if (!certificate.subject.isEmpty) return undefined
  if (certificate.basicConstraints?.ca === true) return ['4.1.2.6', 'a CA whose subject is an empty name']
  const altName = certificate.extension(oids.subjectAltName)
  if (altName === undefined) return ['4.1.2.6', 'neither a subject nor a subject alternative name']
  return altName.critical
    ? undefined
    : ['4.2.1.6', 'the subject is empty and the subject alternative name is not critical']
}

/** §4.2.1.1: in every certificate but a self-signed one; §4.2.1.2: in every CA's. */
function keyIdentifierFault(certificate: Certificate, role: PathRole): Fault {
  if (certificate.authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfSigned(certificate, role)) {
    return ['4.2.1.1', 'the authority key identifier has no key identifier']
  }
  if (certificate.basicConstraints?.ca === true && certificate.subjectKeyIdentifier === undefined)
    return ['4.2.1.2', 'a CA without subject key identifier']
  return undefined
}

/**
 * Between leaf and anchor a self-issued certificate carries another key than its issuer's, so it is not self-signed. A leaf is where its
 * signature says so; an anchor too, whatever name it gives as its issuer.
 */
function isSelfSigned(certificate: Certificate, role: PathRole): boolean {
  if (role === 'intermediate') return false
  if (certificate.isSelfIssued && role === 'anchor') return true
  return (
    (certificate.isSelfIssued || role === 'anchor') && certificate.verifySignatureBy(certificate.publicKey)
  )
}

function caFault(certificate: Certificate): Fault {
  const { basicConstraints, keyUsage } = certificate
  const ca = basicConstraints?.ca === true
  const signs = keyUsage === undefined || keyUsage.has('keyCertSign')
  if (ca && keyUsage === undefined) return ['4.2.1.3', 'a CA without key usage']
  if (keyUsage?.has('keyCertSign') === true && !ca)
    return ['4.2.1.9', 'keyCertSign in a certificate that is no CA']
  if (basicConstraints?.pathLength !== undefined && !(ca && signs))
    return ['4.2.1.9', 'pathLenConstraint without cA and keyCertSign']
  if (ca && signs && certificate.extension(oids.basicConstraints)?.critical === false)
    return ['4.2.1.9', 'basic constraints of a CA that are not critical']
  if (!ca && certificate.extension(oids.nameConstraints) !== undefined)
    return ['4.2.1.10', 'name constraints in a certificate that is no CA']
  return undefined
}

function criticalityFault(certificate: Certificate, webpki: boolean): Fault {
  for (const { oid, critical } of certificate.extensions) {
    const rule = criticality[oid]
    if (rule === undefined || rule.critical === critical) continue
    // BR 7.1.2.5.2: "As an explicit exception from RFC 5280" name constraints need not be critical.
    if (webpki && oid === oids.nameConstraints) continue
    return [
      rule.section,
      `${rule.name} is ${critical ? '' : 'not '}critical, and must ${critical ? 'not ' : ''}be`,
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

/** Every DNS name, email address and URI among the alternative names is one. */
function checkAltNameSyntax(certificate: Certificate): Rejection | undefined {
  for (const name of certificate.subjectAltName ?? []) {
    if (isWellFormed(name)) continue
    const text = 'value' in name ? JSON.stringify(name.value).slice(0, 300) : ''
    return reject('ERR_PATH_PROFILE', 'RFC 5280 §4.2.1.6', `${text} is no ${name.type} name`, certificate)
  }
  return undefined
}

function isWellFormed(name: GeneralName): boolean {
  switch (name.type) {
    case 'dns':
      return isPresentedName(name.value)
    case 'email':
      return isMailbox(name.value)
    case 'uri':
      return isAbsoluteUri(name.value)
    default:
      return true
  }
}

/** RFC 2821 §4.1.2: a dot-string or quoted string, then a domain or an address in brackets. */
function isMailbox(value: string): boolean {
  const at = value.lastIndexOf('@')
  const domain = value.slice(at + 1)
  if (at < 1 || at > 64 || !localPart.test(value.slice(0, at))) return false
  if (domain.startsWith('['))
    return domain.endsWith(']') && ipVersion(domain.slice(1, -1).replace(/^IPv6:/i, '')) !== 0
  return isHostName(domain)
}

const localPart = /^(?:[^\s"(),.:;<>@[\\\]]+(?:\.[^\s"(),.:;<>@[\\\]]+)*|"(?:[^"\\]|\\.)*")$/

/** §4.2.1.6: no relative URI, and one with an authority has a host in it. */
function isAbsoluteUri(value: string): boolean {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(value)?.[1]
  if (authority === undefined) return /^[a-z][a-z0-9+.-]*:[^\s]+$/i.test(value)
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
  return host.startsWith('[')
    ? host.endsWith(']') && ipVersion(host.slice(1, -1)) === 6
    : host !== '' && !host.includes(':')
}

/** The rules for a certificate in this place of the path. */
export function checkWebpkiRules(certificate: Certificate, role: PathRole): Rejection | undefined {
  const broken =
    generalFault(certificate, role) ??
    (role === 'leaf' ? subscriberFault(certificate) : role === 'anchor' ? rootFault(certificate) : undefined)
  return broken === undefined
    ? undefined
    : reject('ERR_PATH_PROFILE', `BR ${broken[0]}`, broken[1], certificate)
}

function generalFault(certificate: Certificate, role: PathRole): Fault {
  if (certificate.version !== 3) return ['7.1.1', `a certificate of version ${certificate.version}`]
  const { signatureAlgorithm: name, der } = certificate.signatureAlgorithm
  // "When encoded, the AlgorithmIdentifier MUST be byte-for-byte identical"; of an anchor nobody looks at the signature.
  if (role !== 'anchor' && name !== undefined && !equalBytes(der, signatureAlgorithms[name].identifier))
    return ['7.1.3.2', `another encoding of ${name}`]
  const { modulus, bits } = certificate.publicKey.info
  if (modulus !== undefined && bits % 8 !== 0)
    return ['6.1.5', `an RSA modulus of ${bits} bits, no multiple of 8`]
  const authority = certificate.authorityKeyIdentifier
  if (authority?.issuer !== undefined || authority?.serialNumber !== undefined) {
    return ['7.1.2.11.1', 'the authority key identifier names an issuer and serial number']
  }
  return undefined
}

function rootFault(certificate: Certificate): Fault {
  if (certificate.isSelfIssued && certificate.extendedKeyUsage !== undefined)
    return ['7.1.2.1.2', 'a root with extended key usage']
  const authority = certificate.authorityKeyIdentifier
  if (!certificate.isSelfIssued || authority === undefined) return undefined
  const subject = certificate.subjectKeyIdentifier
  if (
    authority.keyIdentifier === undefined ||
    subject === undefined ||
    !equalBytes(authority.keyIdentifier, subject)
  ) {
    return ['7.1.2.1.3', "a root's authority key identifier that is not its subject key identifier"]
  }
  return undefined
}

function subscriberFault(certificate: Certificate): Fault {
  if (certificate.basicConstraints?.ca === true) return ['7.1.2.7.8', 'a CA where a subscriber stands']
  const usage = certificate.keyUsage?.names.find(
    (name) => !(isRsa(certificate) ? rsaUsages : ecUsages).includes(name),
  )
  if (usage !== undefined) return ['7.1.2.7.11', `key usage ${usage} in a subscriber's certificate`]
  const purposes = certificate.extension(oids.extendedKeyUsage)
  if (purposes?.critical === true) return ['7.1.2.7.6', 'extended key usage that is critical']
  const purpose = certificate.extendedKeyUsage?.find((oid) => foreignPurposes.includes(oid))
  if (purpose !== undefined) return ['7.1.2.7.10', `the purpose ${purpose} beside TLS`]
  return altNameFault(certificate) ?? commonNameFault(certificate)
}

function altNameFault(certificate: Certificate): Fault {
  const extension = certificate.extension(oids.subjectAltName)
  if (extension === undefined) return ['7.1.2.7.12', 'no subject alternative name']
  if (extension.critical && !certificate.subject.isEmpty)
    return ['7.1.2.7.12', 'a critical subject alternative name beside a subject']
  for (const name of certificate.subjectAltName ?? []) {
    if (name.type !== 'dns' && name.type !== 'ip')
      return ['7.1.2.7.12', `an alternative name of the type ${name.type}`]
    // A wildcard over one label stands for a whole registry; which longer suffixes are public needs a list that is not ours.
    if (name.type === 'dns' && /^\*(\.[^.]*)?$/.test(name.value))
      return ['3.2.2.6', `${name.value} spans a public suffix`]
  }
  return undefined
}

/**
 * BR 7.1.4.3: a common name is one entry, and a character-for-character copy of an alternative name. The domain that a wildcard name
 * stands for is let pass: it is not matched against anything here, and no other name than the wildcard's holder can have it.
 */
function commonNameFault(certificate: Certificate): Fault {
  const found = certificate.subject.values('CN')
  const [commonName] = found
  if (commonName === undefined) return undefined
  if (found.length > 1) return ['7.1.4.3', 'more than one common name']
  for (const name of certificate.subjectAltName ?? []) {
    if (name.type === 'dns' && (name.value === commonName || name.value === `*.${commonName}`))
      return undefined
    if (name.type === 'ip' && formatIpAddress(name.address) === commonName) return undefined
  }
  return [
    '7.1.4.3',
    `the common name ${JSON.stringify(commonName).slice(0, 300)} is no subject alternative name`,
  ]
}

function isRsa(certificate: Certificate): boolean {
  return certificate.publicKey.info.modulus !== undefined
}

/** BR 7.1.2.7.11: all others MUST NOT be there. */
const rsaUsages: readonly KeyUsageName[] = ['digitalSignature', 'keyEncipherment', 'dataEncipherment']
const ecUsages: readonly KeyUsageName[] = ['digitalSignature', 'keyAgreement']

/** BR 7.1.2.7.10: MUST NOT be there. */
const foreignPurposes: readonly string[] = [
  keyPurposeOids.any,
  keyPurposeOids.codeSigning,
  keyPurposeOids.emailProtection,
  keyPurposeOids.timeStamping,
  keyPurposeOids.ocspSigning,
]
