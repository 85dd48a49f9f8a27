/**
 * Whole services in one call: a CA with its keys, store, CRLs and issuance, which resumes after a restart,
 * and an agent that serves the identity of a workload to Envoy, SPIFFE clients and files.
 *
 * @module spiffe-pki/service
 */
export { createAgent } from './agent.ts'
export { createCaService } from './ca-service.ts'
export type { CaService } from './ca-service.ts'
export { restoreBackup } from './backup/restore-backup.ts'
export { verifyBackup } from './backup/verify-backup.ts'
