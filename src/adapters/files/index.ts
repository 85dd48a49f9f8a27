/**
 * Keys in encrypted files, and certificates of workloads read from files and written to files, without a peer
 * package.
 *
 * @module spiffe-pki/files
 */
export { FileKeyManager } from './file-key-manager.ts'
export { createFileSink } from './workload/file-sink.ts'
export { createFileSource } from './workload/file-source.ts'
export { createAuditFile } from './audit-file.ts'
export { createTileDirectory } from './tile-directory.ts'
export { watchPluggedInMaterial } from './plugged-in/watch-material.ts'
