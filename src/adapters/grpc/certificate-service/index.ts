// Istio's certificate service: handlers, server, client.

export { certificateServiceDefinition } from './service-definition.ts'
export { certificateServiceHandlers } from './certificate-service.ts'
export type { ImpersonationAuthorizer } from './certificate-service.ts'
export { createCertificateServer } from './certificate-server.ts'
export type { CertificateServer, CertificateServerOptions } from './certificate-server.ts'
export { createCertificateClient } from './certificate-client.ts'
export type { CertificateClient, CertificateClientOptions } from './client-options.ts'
