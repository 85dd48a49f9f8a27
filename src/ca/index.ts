/**
 * A certificate authority: roots and intermediates, prepare → lint → sign → check, records, plugged-in material.
 *
 * @module spiffe-pki/ca
 */
export { createCertificateAuthority } from './certificate-authority.ts'
export type { CertificateAuthority, CertificateAuthorityOptions } from './certificate-authority.ts'
export type { SigningMaterial } from './issuer.ts'
export { proveAndSign } from './certificate-workers.ts'
export type { CertificateWorkers } from './certificate-workers.ts'
export {
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
} from './ca-certificate.ts'
export type {
  CaCertificateOptions,
  CaCredential,
  CaCredentialInput,
  CrossCertificateOptions,
} from './ca-certificate.ts'
export { isDnsName, leafLints, lintCertificate } from './certificate-lints.ts'
export { caLints, listLints, runLints } from './ca-lints.ts'
export type { CaLint, CaLintInput, ListLintInput, PublishedList } from './ca-lints.ts'
export type { CertificateLint, LintInput, LintSubject } from './certificate-lints.ts'
export { spireProfile, workloadProfile } from './certificate-profile.ts'
export type { CertificateProfile } from './certificate-profile.ts'
export type {
  CertificateContent,
  IssuedCertificate,
  PreparedCertificate,
  UnprovenCertificate,
} from './issued-certificate.ts'
export type {
  CertificateRecord,
  CertificateStore,
  IssuanceIntent,
  RevocationReason,
} from './certificate-store.ts'
export { revocationReasons } from './certificate-store.ts'
export { MemoryCertificateStore } from './memory-certificate-store.ts'
export type { MemoryCertificateStoreOptions } from './memory-certificate-store.ts'
export { parsePluggedInMaterial, readPluggedInMaterial } from './plugged-in-material.ts'
export type { CaFiles, CaMaterial } from './plugged-in-material.ts'
