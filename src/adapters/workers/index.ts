/**
 * Threads that prove requests and sign, for servers that sign thousands a second. Nothing to install.
 *
 * @module spiffe-pki/workers
 */
export { CertificateWorkerPool } from './certificate-worker-pool.ts'
export type { CertificateWorkerPoolOptions } from './certificate-worker-pool.ts'
