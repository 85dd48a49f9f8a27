// The client of Istio's certificate service.

export { createCertificateClient } from './certificate-client.ts'
export type { CertificateClient, CertificateClientOptions } from './client-options.ts'
