/**
 * Envoy's Secret Discovery Service, version 3, for proxies on the same machine (optional peer
 * `@grpc/grpc-js`, 1.14 or later).
 *
 * @module spiffe-pki/grpc/sds
 */
export { createSdsServer } from './sds-server.ts'
export type { Attestor } from '../local-server/index.ts'
