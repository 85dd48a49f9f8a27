// The contract of key backends: memory, files, PKCS#11 tokens, or custom ones.

import type { Signer } from '../x509/index.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'
import type { BackupProtection } from './backup/backup-protection.ts'
import type { EncryptedKeyBackup } from './backup/encrypted-key-backup.ts'

/** Information about a key, available without using it. */
export interface KeyInfo {
  /** The id of the key. */
  readonly id: string
  /**
   * Starts at 1. `rotateKey` continues after the highest number that the key ever had, so a number never
   * identifies two keys.
   */
  readonly version: number
  /** The algorithm of the key, which also determines its signature algorithm. */
  readonly algorithm: KeyAlgorithm
  /** The creation time as stored in the backend. */
  readonly created: Date
  /** Whether `getSigner` returns this version. */
  readonly current: boolean
}

/**
 * Creates, stores and uses private keys. A key leaves the manager only as an encrypted backup.
 *
 * Every implementation passes `contracts.KeyManager` of `spiffe-pki/testing`.
 */
export interface KeyManager extends AsyncDisposable {
  /**
   * Creates version 1 of a key. After a key was destroyed with all versions,
   * its id starts at version 1 again.
   *
   * @throws ERR_KEY_EXISTS, ERR_KEY_UNSUPPORTED, ERR_INVALID_ARGUMENT for a malformed id
   */
  generateKey(id: string, algorithm: KeyAlgorithm): Promise<Signer>
  /** The signer of the current version, or of the given one. */
  getSigner(id: string, version?: number): Promise<Signer | undefined>
  /**
   * Every version of every key, by id, then version; with an id, the versions of this key. A list with one
   * key does not depend on the others: a damaged file of another key does not fail it.
   *
   * @throws ERR_INVALID_ARGUMENT for a malformed id
   */
  listKeys(id?: string): Promise<readonly KeyInfo[]>
  /** Creates a new version of a key; the old ones stay until destroyed. @throws ERR_KEY_NOT_FOUND */
  rotateKey(id: string): Promise<Signer>
  /** The current version, encrypted. @throws ERR_KEY_NOT_FOUND, ERR_KEY_NOT_EXTRACTABLE */
  backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup>
  /**
   * Restores a key under its id, as its next version.
   * @throws ERR_KEY_EXISTS if the same key exists already, ERR_KEY_BACKUP
   */
  restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<Signer>
  /** Destroys one version, or all versions of the key. @throws ERR_KEY_NOT_FOUND */
  destroyKey(id: string, version?: number): Promise<void>
}
