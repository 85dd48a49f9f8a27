/**
 * Certificates, certification requests, revocation lists and OCSP messages: read as views over their bytes,
 * built and signed with any `Signer`.
 *
 * @module spiffe-pki/x509
 */
// Read, build and sign: certificates, requests, lists, OCSP messages.
export { Certificate } from './certificate/certificate.ts'
export type { CertificateInput } from './certificate/certificate.ts'
export { buildCertificate } from './certificate/certificate-builder.ts'
export { CertificateRequest } from './request/certificate-request.ts'
export { buildCertificateRequest } from './request/certificate-request-builder.ts'
export type { ProvenRequest } from './request/certificate-request.ts'
export { Crl } from './crl/crl.ts'
export type { RevokedEntry } from './crl/revoked-entry.ts'
export { buildCrl } from './crl/crl-builder.ts'
export { OcspCertificateId } from './ocsp/ocsp-certificate-id.ts'
export { OcspRequest } from './ocsp/ocsp-request.ts'
export { OcspResponse } from './ocsp/ocsp-response.ts'
export { buildOcspResponse } from './ocsp/ocsp-response-builder.ts'
export { peerCertificates } from './tls-peer.ts'

// Tolerances for certificates made by other software.

// Names, serial numbers and extensions, as accepted by builders and returned by readers.
export { DistinguishedName } from './names/distinguished-name.ts'
export { generalName } from './names/general-name.ts'
export type { GeneralName } from './names/general-name.ts'
export { parseSerialNumber } from './serial-number.ts'
export type { SerialNumber } from './serial-number.ts'
export { extensionOids, keyPurposeOids } from './extensions/extension.ts'

// Keys and signatures: the `Signer` contract that key managers implement.
export { PublicKey } from './algorithms/public-key.ts'
export type { Signer } from './algorithms/signer.ts'
export type { SignatureAlgorithm } from './algorithms/signature-algorithm.ts'
export { verifySignature } from './algorithms/verify-signature.ts'
