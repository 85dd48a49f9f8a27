// The contract of key backends: memory, files, PKCS#11 tokens, yours.

import type { Signer } from '../x509/index.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'
import type { BackupProtection, EncryptedKeyBackup } from './key-backup.ts'

/** What is known of a key without touching it. */
export interface KeyInfo {
  /** The id that it was made with. */
  readonly id: string
  /** Counts from 1; `rotateKey` goes on from the highest that the key ever had, so a number never means two keys. */
  readonly version: number
  /** What it is, and what it signs with. */
  readonly algorithm: KeyAlgorithm
  /** When it was made, as the backend tells. */
  readonly created: Date
  /** Whether `getSigner` answers with this version. */
  readonly current: boolean
}

/**
 * Makes, keeps and uses private keys, which never leave it but as an encrypted backup.
 *
 * Every implementation passes `keyManagerContract` of `spiffe-pki/testing`.
 */
export interface KeyManager extends AsyncDisposable {
  /**
   * Makes a key, version 1; so does the next one of an id whose key was destroyed with all versions.
   *
   * @throws ERR_KEY_EXISTS, ERR_KEY_UNSUPPORTED, ERR_INVALID_ARGUMENT for an id that is malformed
   */
  generateKey(id: string, algorithm: KeyAlgorithm): Promise<Signer>
  /** The signer of the current version, or of the one asked for. */
  getSigner(id: string, version?: number): Promise<Signer | undefined>
  /** Every version of every key, by id, then version. */
  listKeys(): Promise<readonly KeyInfo[]>
  /** Makes a new version of a key; the old ones stay until destroyed. @throws ERR_KEY_NOT_FOUND */
  rotateKey(id: string): Promise<Signer>
  /** The current version, encrypted. @throws ERR_KEY_NOT_FOUND, ERR_KEY_NOT_EXTRACTABLE */
  backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup>
  /** Brings a key back under its id, as its next version. @throws ERR_KEY_EXISTS when that very key is there, ERR_KEY_BACKUP */
  restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<Signer>
  /** Destroys one version, or the key with all of them. @throws ERR_KEY_NOT_FOUND */
  destroyKey(id: string, version?: number): Promise<void>
}
