// The text and JSON forms of a certificate for logs, terminals and JSON.

import type { AlgorithmIdentifier } from '../algorithms/signature-algorithm.ts'
import {
  formatFingerprint,
  formatKey,
  formatNames,
  formatRows,
  formatTime,
  namesOf,
  readable,
  readableList,
} from '../describe.ts'
import type { PublicKey } from '../algorithms/public-key.ts'
import type { DistinguishedName } from '../names/distinguished-name.ts'
import type { SerialNumber } from '../serial-number.ts'
import type { CertificateExtensions } from './certificate-extensions.ts'

/** The displayed fields of a certificate. */
interface ShownCertificate extends Pick<
  CertificateExtensions,
  'subjectAltName' | 'keyUsage' | 'basicConstraints'
> {
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  readonly serialNumber: SerialNumber
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: PublicKey
  readonly signatureAlgorithm: AlgorithmIdentifier
  readonly isSelfIssued: boolean
  fingerprint(): Uint8Array
}

/** Heading and rows. An unreadable field is shown with the reason. */
export function formatCertificate(certificate: ShownCertificate): string {
  return formatRows('Certificate', [
    ['subject', () => (certificate.subject.isEmpty ? undefined : certificate.subject.toString())],
    ['names', () => formatNames(certificate.subjectAltName)],
    ['signed by', () => (certificate.isSelfIssued ? 'itself' : certificate.issuer.toString())],
    [
      'key',
      () =>
        `${formatKey(certificate.publicKey)}, for ${certificate.keyUsage?.names.join(' and ') ?? 'anything'}`,
    ],
    ['valid', () => `${formatTime(certificate.notBefore)} to ${formatTime(certificate.notAfter)}`],
    ['serial', () => certificate.serialNumber],
    ['SHA-256', () => formatFingerprint(certificate.fingerprint())],
  ])
}

/** The same fields as strings. */
export function certificateToJson(certificate: ShownCertificate): Record<string, unknown> {
  return {
    subject: readable(() => certificate.subject.toString()),
    issuer: readable(() => certificate.issuer.toString()),
    serialNumber: readable(() => certificate.serialNumber),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    uris: readableList(() => namesOf(certificate.subjectAltName, 'uri')),
    dnsNames: readableList(() => namesOf(certificate.subjectAltName, 'dns')),
    ipAddresses: readableList(() => namesOf(certificate.subjectAltName, 'ip')),
    isCa: readable(() => String(certificate.basicConstraints?.ca === true)) === 'true',
    keyAlgorithm: readable(() => formatKey(certificate.publicKey)),
    signatureAlgorithm: readable(
      () => certificate.signatureAlgorithm.signatureAlgorithm ?? certificate.signatureAlgorithm.oid,
    ),
    sha256Fingerprint: formatFingerprint(certificate.fingerprint()),
  }
}
