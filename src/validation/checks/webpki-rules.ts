// The CA/Browser Forum's Baseline Requirements for TLS certificates (BR), as far as a relying party can see them.

import { extensionOids as oids, formatIpAddress, keyPurposeOids } from '../../x509/index.ts'
import type { Certificate, KeyUsageName } from '../../x509/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { reject } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import type { PathRole } from './rfc5280-rules.ts'

/** The rules for a certificate in this place of the path. */
export function checkWebpkiRules(certificate: Certificate, role: PathRole): Rejection | undefined {
  const broken = generalFault(certificate) ?? (role === 'leaf' ? subscriberFault(certificate) : role === 'anchor' ? rootFault(certificate) : undefined)
  return broken === undefined ? undefined : reject('ERR_PATH_PROFILE', `BR ${broken[0]}`, broken[1], certificate)
}

/** Section and text. */
type Fault = readonly [string, string] | undefined

function generalFault(certificate: Certificate): Fault {
  if (certificate.version !== 3) return ['7.1.1', `a certificate of version ${certificate.version}`]
  const { modulus, bits } = certificate.publicKey.info
  if (modulus !== undefined && bits % 8 !== 0) return ['6.1.5', `an RSA modulus of ${bits} bits, no multiple of 8`]
  const authority = certificate.authorityKeyIdentifier
  if (authority?.issuer !== undefined || authority?.serialNumber !== undefined) {
    return ['7.1.2.11.1', 'the authority key identifier names an issuer and serial number']
  }
  return undefined
}

function rootFault(certificate: Certificate): Fault {
  if (certificate.isSelfIssued && certificate.extendedKeyUsage !== undefined) return ['7.1.2.1.2', 'a root with extended key usage']
  const authority = certificate.authorityKeyIdentifier
  if (!certificate.isSelfIssued || authority === undefined) return undefined
  const subject = certificate.subjectKeyIdentifier
  if (authority.keyIdentifier === undefined || subject === undefined || !equalBytes(authority.keyIdentifier, subject)) {
    return ['7.1.2.1.3', "a root's authority key identifier that is not its subject key identifier"]
  }
  return undefined
}

function subscriberFault(certificate: Certificate): Fault {
  if (certificate.basicConstraints?.ca === true) return ['7.1.2.7.8', 'a CA where a subscriber stands']
  const usage = certificate.keyUsage?.names.find((name) => !(isRsa(certificate) ? rsaUsages : ecUsages).includes(name))
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
  if (extension.critical && !certificate.subject.isEmpty) return ['7.1.2.7.12', 'a critical subject alternative name beside a subject']
  for (const name of certificate.subjectAltName ?? []) {
    if (name.type !== 'dns' && name.type !== 'ip') return ['7.1.2.7.12', `an alternative name of the type ${name.type}`]
    // A wildcard over one label stands for a whole registry; which longer suffixes are public needs a list that is not ours.
    if (name.type === 'dns' && /^\*(\.[^.]*)?$/.test(name.value)) return ['3.2.2.6', `${name.value} spans a public suffix`]
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
    if (name.type === 'dns' && (name.value === commonName || name.value === `*.${commonName}`)) return undefined
    if (name.type === 'ip' && formatIpAddress(name.address) === commonName) return undefined
  }
  return ['7.1.4.3', `the common name ${JSON.stringify(commonName).slice(0, 300)} is no subject alternative name`]
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
