/**
 * Keys in encrypted files. Nothing to install.
 *
 * @module spiffe-pki/files
 */
export { FileKeyManager } from './file-key-manager.ts'
export type { FileKeyManagerOptions } from './file-key-manager.ts'
export type { OnWriteStep, WriteStep } from './secure-file.ts'
