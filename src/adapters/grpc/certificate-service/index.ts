// Istio's certificate service: handlers, server, client.

export { certificateServiceDefinition } from './service-definition.ts'
export { certificateServiceHandlers } from './certificate-service.ts'
export type { ImpersonationAuthorizer } from './service-options.ts'
export { createCertificateServer } from './certificate-server.ts'
export type { CertificateServer, CertificateServerOptions } from './certificate-server.ts'
export { createCertificateClient } from './client/certificate-client.ts'
export type { CertificateClient, CertificateClientOptions } from './client/client-options.ts'
