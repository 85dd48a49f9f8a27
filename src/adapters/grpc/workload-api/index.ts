/**
 * The SPIFFE Workload API, server and client (optional peer `@grpc/grpc-js`, 1.14 or later).
 *
 * @module spiffe-pki/grpc/workload-api
 */
export { createWorkloadApiServer } from './workload-server.ts'
export { createWorkloadApiSource } from './workload-client.ts'
export type { Attestor } from '../local-server/index.ts'
