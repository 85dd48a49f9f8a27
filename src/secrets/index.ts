/**
 * For workloads: obtain certificates, keep them current, and provide them to TLS, to proxies and in files.
 *
 * @module spiffe-pki/secrets
 */
export { localCaClient } from './ca-client.ts'
export type { CaClient } from './ca-client.ts'
export type { CertificateSecret, Secret, SecretSource, ValidationSecret } from './secret.ts'
export { createX509Source } from './renewal/renewing-source.ts'
export type { X509Identity, X509Source } from './x509-source.ts'
export { createX509Sources } from './many/x509-sources.ts'
export { createCertificateChecker } from './certificate-checker.ts'
export { createJwtSource } from './jwt/jwt-source.ts'
export { createWorkloadSecrets } from './workload-secrets.ts'
export type { WorkloadSource } from './workload-state.ts'
