/**
 * Threads that verify requests and sign, for servers that sign thousands per second, without a peer package.
 *
 * @module spiffe-pki/workers
 */
export { CertificateWorkerPool } from './certificate-worker-pool.ts'
