/**
 * A certificate authority: roots and intermediates, prepare → lint → sign →
 * check, records, plugged-in material.
 *
 * @module spiffe-pki/ca
 */
export { createCertificateAuthority } from './authority/local-authority.ts'
export type { CertificateAuthority } from './authority/certificate-authority.ts'
export {
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
} from './authority/ca-certificate.ts'
export { lintCertificate } from './lints/leaf-lints.ts'
export type { CrlIssuer } from './crl/crl-issuer.ts'
export type { CaStorage } from './records/ca-storage.ts'
export { createMemoryStorage } from './records/memory/memory-storage.ts'
export { spireProfile, workloadProfile } from './profile/certificate-profile.ts'
export type { CertificateProfile } from './profile/certificate-profile.ts'
export type {
  CertificateContent,
  IssuedCertificate,
  PreparedCertificate,
} from './authority/issued-certificate.ts'
export type { RevocationReason } from './crl/revocation-reason.ts'
export { createRevocationLookup } from './crl/revocation-lookup.ts'
export type { RevocationLookup } from './crl/revocation-lookup.ts'
export type { CrlStore } from './crl/crl-store.ts'
export type { CertificateRecord } from './records/certificate-record.ts'
export type { CertificateStore } from './records/certificate-store.ts'
export type { AuthorityStore } from './records/authority-store.ts'
export type { AuditStore } from './records/audit-store.ts'
export type { LeaseStore } from './records/lease-store.ts'
export { holdLease } from './leases/held-lease.ts'
export { exportRecords } from './rows/export-records.ts'
export { parsePluggedInMaterial, readPluggedInMaterial } from './plugged-in/plugged-in-material.ts'
export type { CaMaterial } from './plugged-in/plugged-in-material.ts'
export { createRotatingAuthority } from './rotation/rotating-authority.ts'
export { planRotation } from './rotation/rotation-plan.ts'
export { createLocalUpstream } from './upstream/local-upstream.ts'
export type { UpstreamAuthority } from './upstream/upstream-authority.ts'
export { createRegistrationAuthority } from './registration/registration-authority.ts'
export type { RemoteSigner } from './registration/remote-signer.ts'
