// Istio's certificate service: handlers and server.

export { certificateServiceDefinition } from './service-definition.ts'
export { certificateServiceHandlers } from './certificate-service.ts'
export type { ImpersonationAuthorizer } from './service-options.ts'
export { createCertificateServer } from './certificate-server.ts'
export type { CertificateServer, CertificateServerOptions } from './certificate-server.ts'
