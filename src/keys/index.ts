/**
 * Where private keys live: the contract of backends, keys in memory and in files, private keys as PEM and encrypted, encrypted
 * backups, a bridge to WebCrypto.
 *
 * @module spiffe-pki/keys
 */
export {
  generatePrivateKey,
  isKeyAlgorithm,
  keyAlgorithmOf,
  keyAlgorithms,
  keyExists,
  keyIdPattern,
  keyNotFound,
  requireKeyAlgorithm,
  requireKeyId,
} from './key-algorithm.ts'
export type { KeyAlgorithm } from './key-algorithm.ts'
export type { KeyInfo, KeyManager } from './key-manager.ts'
export { SoftwareSigner } from './software-signer.ts'
export type { SoftwareSignerOptions } from './software-signer.ts'
export { MemoryKeyManager } from './memory-key-manager.ts'
export { FailoverKeyManager, failoverCodes } from './failover-key-manager.ts'
export type { FailoverKeyManagerOptions } from './failover-key-manager.ts'
export { exportPrivateKey, importPrivateKey } from './private-key.ts'
export type { ExportPrivateKeyOptions, ImportPrivateKeyOptions } from './private-key.ts'
export { decryptPkcs8, encryptPkcs8 } from './encrypted-pkcs8.ts'
export type { Pkcs8Secret } from './encrypted-pkcs8.ts'
export { openKeyBackup, sealKeyBackup } from './key-backup.ts'
export type { BackedUpKey, BackupProtection, EncryptedKeyBackup } from './key-backup.ts'
export { bridgeToWebCrypto } from './webcrypto-bridge.ts'
export type { BridgeOptions, BridgedSigner } from './webcrypto-bridge.ts'
