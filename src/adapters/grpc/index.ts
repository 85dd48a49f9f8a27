/**
 * Istio's certificate service over gRPC: the handler, a server that can rotate its certificate, and a client that checks answers.
 * Needs the optional peer `@grpc/grpc-js`, 1.14 or later.
 *
 * @module spiffe-pki/grpc
 */
export { certificateServiceDefinition } from './service-definition.ts'
export type { CertificateServiceDefinition } from './service-definition.ts'
export { certificateServiceHandlers } from './certificate-service.ts'
export type { CertificateServiceOptions, ImpersonationAuthorizer } from './certificate-service.ts'
export { startCertificateServer } from './certificate-server.ts'
export type { CertificateServer, CertificateServerOptions, ServerTlsMaterial } from './certificate-server.ts'
export { createCertificateClient } from './certificate-client.ts'
export type {
  CertificateClient,
  CertificateClientOptions,
  ClientTlsMaterial,
  CreateCertificateOptions,
} from './certificate-client.ts'
export type { CertificateReply, ReplyVerifier } from './certificate-reply.ts'
export type { RetryPolicy } from './retry.ts'
export type { TlsPeerOf } from './authentication-request.ts'
export type { GrpcModule } from './grpc-module.ts'
export type { IstioCertificateRequest, IstioCertificateResponse } from './gen/istio/v1/auth/ca_pb.ts'
