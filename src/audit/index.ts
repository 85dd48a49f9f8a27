/**
 * The audit log: records of the CA's actions in a transparency log whose checkpoints, tiles and proofs
 * third-party tools can verify (C2SP tlog-tiles, tlog-checkpoint, signed-note; RFC 6962 hashes).
 *
 * @module spiffe-pki/audit
 */
// Append, prove, verify.
export { openAuditLog } from './log/audit-log.ts'
export type { AuditLog } from './log/audit-log.ts'
export type { AuditWitness } from './log/checkpoint-publisher.ts'
export { decodeAuditRecord, encodeAuditRecord } from './audit-record.ts'
export type { AuditRecord } from './audit-record.ts'
export { verifyAuditLog } from './verify-audit-log.ts'
export type { TileStore } from './tiles.ts'
export { verifyAuditReceipt } from './audit-receipt.ts'
export { createReceiptChecker } from './certificate-receipt.ts'
export { formatNoteKey, parseNoteKey } from './signed-note.ts'
