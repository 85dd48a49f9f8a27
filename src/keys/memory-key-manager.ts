// Keys in the memory of this process: for tests, short-lived workload keys, and CAs without persistent state.

import { readOptions } from '../internal/options.ts'
import { PkiError } from '../errors/index.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import {
  generatePrivateKey,
  keyExists,
  keyNotFound,
  requireKeyAlgorithm,
  requireKeyId,
} from './key-algorithm.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'
import type { KeyInfo, KeyManager } from './key-manager.ts'
import type { BackupProtection } from './backup/backup-protection.ts'
import type { EncryptedKeyBackup } from './backup/encrypted-key-backup.ts'
import { ownProtection } from './backup/own-protection.ts'
import { SoftwareSigner } from './software-signer.ts'

interface Version {
  readonly version: number
  readonly created: Date
  readonly signer: SoftwareSigner
}

interface MemoryKeyManagerOptions {
  /** The clock for creation times. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/**
 * A `KeyManager` that keeps keys in memory only.
 *
 * @example
 * ```ts
 * await using manager = new MemoryKeyManager()
 * const caKey = await manager.generateKey('ca', 'P-256')
 * ```
 */
export class MemoryKeyManager implements KeyManager {
  readonly #clock: Clock
  readonly #keys = new Map<string, Version[]>()
  /** The highest version number of each key, including destroyed versions. */
  readonly #newest = new Map<string, number>()
  #closed = false

  constructor(options: MemoryKeyManagerOptions = {}) {
    const { clock } = readOptions<MemoryKeyManagerOptions>('MemoryKeyManager', options, { clock: 'optional' })
    this.#clock = clock ?? systemClock
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
    this.#check(id)
    requireKeyAlgorithm(algorithm)
    if (this.#keys.has(id)) throw keyExists(id)
    const signer = await newSigner(id, algorithm)
    this.#open()
    if (this.#keys.has(id)) throw keyExists(id) // created by a concurrent call
    this.#add(id, signer)
    return signer
  }

  async getSigner(id: string, version?: number): Promise<SoftwareSigner | undefined> {
    this.#check(id)
    const versions = this.#keys.get(id)
    return (version === undefined ? versions?.at(-1) : versions?.find((found) => found.version === version))
      ?.signer
  }

  async listKeys(id?: string): Promise<readonly KeyInfo[]> {
    this.#open()
    if (id !== undefined) requireKeyId(id)
    return [...this.#keys]
      .filter(([one]) => id === undefined || one === id)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([one, versions]) =>
        versions.map(({ version, created, signer }, at) => ({
          id: one,
          version,
          algorithm: signer.algorithm,
          created: new Date(created),
          current: at === versions.length - 1,
        })),
      )
  }

  async rotateKey(id: string): Promise<SoftwareSigner> {
    const signer = await newSigner(id, this.#current(id).signer.algorithm)
    this.#current(id)
    this.#add(id, signer)
    return signer
  }

  async backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup> {
    const { signer, created } = this.#current(id)
    const own = ownProtection(protection)
    // Loaded with the first backup or restore, because few programs use them.
    const { sealKeyBackup } = await import('./backup/key-backup.ts')
    return sealKeyBackup(signer.privateKey(), { keyId: id, algorithm: signer.algorithm, created }, own)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<SoftwareSigner> {
    this.#open()
    // The copy is used, even if the caller changes its object meanwhile.
    const [taken, own] = [{ ...backup }, ownProtection(protection)]
    const { openKeyBackup } = await import('./backup/key-backup.ts')
    const privateKey = await openKeyBackup(taken, own)
    const id = taken.keyId
    this.#check(id)
    const signer = new SoftwareSigner(privateKey, { id, pss: taken.algorithm.startsWith('RSA-PSS') })
    if (this.#keys.get(id)?.some((version) => version.signer.publicKey.equals(signer.publicKey)) === true)
      throw keyExists(id)
    this.#add(id, signer)
    return signer
  }

  async destroyKey(id: string, version?: number): Promise<void> {
    this.#current(id)
    const left =
      version === undefined ? [] : (this.#keys.get(id) ?? []).filter((found) => found.version !== version)
    if (left.length === this.#keys.get(id)?.length) throw keyNotFound(id, version)
    if (left.length > 0) {
      this.#keys.set(id, left)
      return
    }
    this.#keys.delete(id)
    this.#newest.delete(id)
  }

  /** Releases every key; later calls throw ERR_CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#keys.clear()
    this.#newest.clear()
  }

  #add(id: string, signer: SoftwareSigner): void {
    const version = (this.#newest.get(id) ?? 0) + 1
    this.#newest.set(id, version)
    this.#keys.set(id, [
      ...(this.#keys.get(id) ?? []),
      { version, created: new Date(this.#clock.now()), signer },
    ])
  }

  #current(id: string): Version {
    this.#check(id)
    const found = this.#keys.get(id)?.at(-1)
    if (found === undefined) throw keyNotFound(id)
    return found
  }

  #check(id: string): void {
    this.#open()
    requireKeyId(id)
  }

  #open(): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
  }
}

async function newSigner(id: string, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
  return new SoftwareSigner(await generatePrivateKey(algorithm), { id, pss: algorithm.startsWith('RSA-PSS') })
}
