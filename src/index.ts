/**
 * The most common names, enough for the README, without an adapter or an optional peer; each layer has a
 * subpath with all its names.
 *
 * @module spiffe-pki
 */
export { PkiError, isPkiError } from './errors/index.ts'
export type { PkiErrorCode } from './errors/index.ts'
export { SpiffeId, TrustDomain } from './spiffe/index.ts'
export { Certificate, CertificateRequest, Crl, buildCertificateRequest, generalName } from './x509/index.ts'
export type { Signer } from './x509/index.ts'
export { MemoryKeyManager } from './keys/memory-key-manager.ts'
export { SoftwareSigner } from './keys/software-signer.ts'
export type { KeyManager } from './keys/index.ts'
export { createPathValidator } from './validation/path-validator.ts'
export { verifyPath } from './validation/verify-path.ts'
export { TrustBundle } from './svid/trust-bundle.ts'
export { X509Svid } from './svid/x509-svid.ts'
export { X509SvidValidator } from './svid/x509-svid-validator.ts'
export { CompositeAuthenticator } from './auth/composite-authenticator.ts'
export type { Authenticator, Caller } from './auth/index.ts'
export { createIntermediateCertificate, createRootCertificate } from './ca/authority/ca-certificate.ts'
export { createCertificateAuthority } from './ca/authority/local-authority.ts'
export { createIssuanceService } from './issuance/issuance-service.ts'
export type { IssuanceService } from './issuance/index.ts'
