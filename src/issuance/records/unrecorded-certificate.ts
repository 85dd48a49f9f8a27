// A certificate that has no record and was signed by this CA: after a restored backup, for instance.

import { keyIdentifierOf, shardNamedIn } from '../../ca/internal.ts'
import type { RevokeOptions } from '../../ca/internal.ts'
import type { CertificateAuthority } from '../../ca/index.ts'
import type { CertificateId } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { Certificate } from '../../x509/index.ts'
import { serialNumberOf } from './certificate-lookup.ts'
import type { CertificateReference } from './certificate-lookup.ts'

/** The data to record for it. */
export type Unrecorded = CertificateId & NonNullable<RevokeOptions['unrecorded']>

/**
 * @throws ERR_CERTIFICATE_UNKNOWN for a certificate of another CA or with another serial number, or with
 *   several SPIFFE IDs
 */
export function unrecordedOf(
  authority: CertificateAuthority,
  reference: CertificateReference,
  certificate: Certificate,
): Unrecorded {
  const signer = [authority.certificate, ...authority.chain, ...authority.roots].find((ca) =>
    certificate.verifySignatureBy(ca.publicKey),
  )
  const [uri, ...others] = certificate.subjectAltName?.filter(({ type }) => type === 'uri') ?? []
  const serialNumber = serialNumberOf(reference)
  if (signer === undefined || certificate.serialNumber !== serialNumber)
    throw new PkiError(
      'ERR_CERTIFICATE_UNKNOWN',
      `the certificate has the serial number ${certificate.serialNumber}; expected ` +
        `${String(serialNumber)}, signed by this CA`,
    )
  if (others.length > 0)
    throw new PkiError('ERR_CERTIFICATE_UNKNOWN', 'the certificate has more than one SPIFFE ID')
  const issuer = keyIdentifierOf(signer.subjectKeyIdentifier ?? signer.publicKey.keyIdentifier)
  return {
    issuer,
    shard: shardNamedIn(certificate, issuer),
    serialNumber: certificate.serialNumber,
    certificate: certificate.der,
    // A certificate with only DNS names does not identify its holder, so only an administrator can revoke it.
    identity: SpiffeId.parse(uri?.type === 'uri' ? uri.value : authority.trustDomain.idString),
    keyIdentifier: keyIdentifierOf(certificate.publicKey.keyIdentifier),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  }
}
