// gRPC with mutual TLS by SPIFFE ID, for clients and servers.

export { grpcChannelCredentials } from './channel-credentials.ts'
export { listenGrpc } from './listen-grpc.ts'
export type { GrpcListener } from './listen-grpc.ts'
