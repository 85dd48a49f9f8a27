// Rules of the CA/Browser Forum's Baseline Requirements (BR) for TLS
// certificates, as far as a relying party can check them.

import { equalBytes } from '../../internal/bytes.ts'
import { extensionOids as oids, keyPurposeOids } from '../../x509/index.ts'
import { formatIpAddress, signatureAlgorithms } from '../../x509/internal.ts'
import type { Certificate } from '../../x509/index.ts'
import type { KeyUsageName } from '../../x509/internal.ts'
import { reject } from '../verdict/rejection.ts'
import type { Rejection } from '../verdict/rejection.ts'
import type { Fault, PathRole } from './rfc5280-rules.ts'

/** The rules for a certificate at this position of the path. */
export function checkWebpkiRules(certificate: Certificate, role: PathRole): Rejection | undefined {
  const broken =
    generalFault(certificate, role) ??
    (role === 'leaf' ? subscriberFault(certificate) : role === 'anchor' ? rootFault(certificate) : undefined)
  return broken === undefined
    ? undefined
    : reject('ERR_PATH_PROFILE', `BR ${broken[0]}`, broken[1], certificate)
}

function generalFault(certificate: Certificate, role: PathRole): Fault {
  if (certificate.version !== 3) return ['7.1.1', `the certificate is version ${certificate.version}, not 3`]
  const { signatureAlgorithm: name, der } = certificate.signatureAlgorithm
  // "When encoded, the AlgorithmIdentifier MUST be byte-for-byte identical";
  // the signature of an anchor is not checked.
  if (role !== 'anchor' && name !== undefined && !equalBytes(der, signatureAlgorithms[name].identifier))
    return ['7.1.3.2', `the algorithm identifier of ${name} has another encoding`]
  const { modulus, bits } = certificate.publicKey.info
  if (modulus !== undefined && bits % 8 !== 0)
    return ['6.1.5', `the RSA modulus has ${bits} bits, which is not a multiple of 8`]
  const authority = certificate.authorityKeyIdentifier
  if (authority?.issuer !== undefined || authority?.serialNumber !== undefined) {
    return ['7.1.2.11.1', 'the authority key identifier names an issuer and serial number']
  }
  return undefined
}

function rootFault(certificate: Certificate): Fault {
  if (certificate.isSelfIssued && certificate.extendedKeyUsage !== undefined)
    return ['7.1.2.1.2', 'the root has extended key usage']
  const authority = certificate.authorityKeyIdentifier
  if (!certificate.isSelfIssued || authority === undefined) return undefined
  const subject = certificate.subjectKeyIdentifier
  if (
    authority.keyIdentifier === undefined ||
    subject === undefined ||
    !equalBytes(authority.keyIdentifier, subject)
  ) {
    return ['7.1.2.1.3', "the root's authority key identifier differs from its subject key identifier"]
  }
  return undefined
}

function subscriberFault(certificate: Certificate): Fault {
  if (certificate.basicConstraints?.ca === true) return ['7.1.2.7.8', 'the leaf is a CA']
  const usage = certificate.keyUsage?.names.find(
    (name) => !(isRsa(certificate) ? rsaUsages : ecUsages).includes(name),
  )
  if (usage !== undefined) return ['7.1.2.7.11', `the key usage of the leaf has ${usage}`]
  const purposes = certificate.extension(oids.extendedKeyUsage)
  if (purposes?.critical === true) return ['7.1.2.7.6', 'the extended key usage is critical']
  const purpose = certificate.extendedKeyUsage?.find((oid) => foreignPurposes.includes(oid))
  if (purpose !== undefined)
    return ['7.1.2.7.10', `the extended key usage has ${purpose} besides TLS purposes`]
  return altNameFault(certificate) ?? commonNameFault(certificate)
}

function altNameFault(certificate: Certificate): Fault {
  const extension = certificate.extension(oids.subjectAltName)
  if (extension === undefined) return ['7.1.2.7.12', 'the subject alternative name is missing']
  if (extension.critical && !certificate.subject.isEmpty)
    return ['7.1.2.7.12', 'the subject alternative name is critical, but the subject is not empty']
  for (const name of certificate.subjectAltName ?? []) {
    if (name.type !== 'dns' && name.type !== 'ip')
      return ['7.1.2.7.12', `the subject alternative name has a name of the type ${name.type}`]
    // A wildcard over one label covers a whole registry; recognising longer
    // public suffixes needs a list that this package does not have.
    if (name.type === 'dns' && /^\*(\.[^.]*)?$/.test(name.value))
      return ['3.2.2.6', `${name.value} covers a public suffix`]
  }
  return undefined
}

/**
 * BR 7.1.4.3: a common name is one entry, and a character-for-character copy of an
 * alternative name. The base domain of a wildcard name is accepted as well: nothing
 * is matched against it, and only the holder of the wildcard can have it.
 */
function commonNameFault(certificate: Certificate): Fault {
  const found = certificate.subject.values('CN')
  const [commonName] = found
  if (commonName === undefined) return undefined
  if (found.length > 1) return ['7.1.4.3', 'the subject has more than one common name']
  for (const name of certificate.subjectAltName ?? []) {
    if (name.type === 'dns' && (name.value === commonName || name.value === `*.${commonName}`))
      return undefined
    if (name.type === 'ip' && formatIpAddress(name.address) === commonName) return undefined
  }
  return [
    '7.1.4.3',
    `the common name ${JSON.stringify(commonName).slice(0, 300)} is not a subject alternative name`,
  ]
}

function isRsa(certificate: Certificate): boolean {
  return certificate.publicKey.info.modulus !== undefined
}

/** BR 7.1.2.7.11: all other key usages MUST NOT be present. */
const rsaUsages: readonly KeyUsageName[] = ['digitalSignature', 'keyEncipherment', 'dataEncipherment']
const ecUsages: readonly KeyUsageName[] = ['digitalSignature', 'keyAgreement']

/** BR 7.1.2.7.10: MUST NOT be present. */
const foreignPurposes: readonly string[] = [
  keyPurposeOids.any,
  keyPurposeOids.codeSigning,
  keyPurposeOids.emailProtection,
  keyPurposeOids.timeStamping,
  keyPurposeOids.ocspSigning,
]
