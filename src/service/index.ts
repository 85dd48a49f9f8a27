/**
 * Whole services in one call. A CA: keys in encrypted files, store in SQLite, authority, CRLs, issuance; it
 * goes on where it was after a restart. An agent: the identity of a workload for Envoy, SPIFFE clients and
 * files.
 *
 * @module spiffe-pki/service
 */
export { createAgent } from './agent.ts'
export { createCaService } from './ca-service.ts'
export type { CaService } from './ca-service.ts'
export { restoreBackup } from './backup/restore-backup.ts'
export { verifyBackup } from './backup/verify-backup.ts'
