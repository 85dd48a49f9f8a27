/**
 * Storage and use of private keys: the contract of key backends, keys in memory and in files, private keys as
 * PEM and encrypted, encrypted backups, a bridge to WebCrypto.
 *
 * @module spiffe-pki/keys
 */
export { generatePrivateKey } from './key-algorithm.ts'
export type { KeyAlgorithm } from './key-algorithm.ts'
export type { KeyInfo, KeyManager } from './key-manager.ts'
export { SoftwareSigner } from './software-signer.ts'
export { MemoryKeyManager } from './memory-key-manager.ts'
export { FailoverKeyManager } from './failover/failover-key-manager.ts'
export { exportPrivateKey, importPrivateKey } from './private-key/private-key.ts'
export { openKeyBackup, sealKeyBackup } from './backup/key-backup.ts'
export type { BackupProtection } from './backup/backup-protection.ts'
export type { EncryptedKeyBackup } from './backup/encrypted-key-backup.ts'
export { bridgeToWebCrypto } from './webcrypto-bridge.ts'
