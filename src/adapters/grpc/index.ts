/**
 * Istio's certificate service over gRPC (optional peer `@grpc/grpc-js`, 1.14 or later): the handler, a server
 * that can rotate its certificate, and a client that verifies responses.
 *
 * @module spiffe-pki/grpc
 */
export { certificateServiceDefinition, certificateServiceHandlers } from './certificate-service/index.ts'
export { createCertificateClient } from './certificate-client/index.ts'
export { createCertificateServer } from './certificate-service/index.ts'
export type { ImpersonationAuthorizer } from './certificate-service/index.ts'
export { authorizationInterceptor } from './authorization-interceptor.ts'
export { grpcChannelCredentials, listenGrpc } from './credentials/index.ts'
export { createIstioSigner } from './istio-signer.ts'
