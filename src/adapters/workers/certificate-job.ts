// The two jobs of a worker: verify the proof of possession of a request;
// sign a certificate for the key of that request.

import { DerReader, contextConstructed, tags } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import type { CertificateRequest, Signer } from '../../x509/index.ts'

/** Verifies the proof of possession. @throws as `CertificateRequest.verify` */
export async function proveRequest(request: CertificateRequest): Promise<void> {
  await request.publicKey.prepare()
  request.verify()
}

/**
 * The signature over `tbs`, which must certify the key `spki`. The CA verifies it.
 *
 * @throws ERR_CA_MATERIAL if it certifies another key; ERR_DER; the errors of the signer
 */
export function signCertificate(
  tbs: Uint8Array,
  spki: Uint8Array,
  signer: Signer,
): Uint8Array | Promise<Uint8Array> {
  if (!equalBytes(certifiedKey(tbs), spki))
    throw new PkiError('ERR_CA_MATERIAL', 'the key of the certificate to sign is not the key of its request')
  return signer.sign(tbs)
}

/** The SubjectPublicKeyInfo of a TBSCertificate: RFC 5280 §4.1. @throws ERR_DER */
function certifiedKey(tbs: Uint8Array): Uint8Array {
  const fields = new DerReader(tbs).expect(tags.sequence, 'TBSCertificate').inner()
  fields.optional(contextConstructed(0), 'version')
  fields.expect(tags.integer, 'serialNumber')
  for (const field of ['signature', 'issuer', 'validity', 'subject']) fields.expect(tags.sequence, field)
  return fields.expect(tags.sequence, 'subjectPublicKeyInfo').element()
}
