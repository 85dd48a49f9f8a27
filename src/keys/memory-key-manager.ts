// Keys in the memory of this process: for tests, short-lived workload keys, and CAs that start anew.

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
import type { BackupProtection, EncryptedKeyBackup } from './key-backup.ts'
import { SoftwareSigner } from './software-signer.ts'

interface Version {
  readonly version: number
  readonly created: Date
  readonly signer: SoftwareSigner
}

/**
 * A `KeyManager` that forgets everything when the process ends.
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
  /** The highest number that each key ever had, destroyed versions too. */
  readonly #newest = new Map<string, number>()
  #closed = false

  constructor(options: { readonly clock?: Clock | undefined } = {}) {
    this.#clock = options.clock ?? systemClock
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
    this.#check(id)
    requireKeyAlgorithm(algorithm)
    if (this.#keys.has(id)) throw keyExists(id)
    const signer = await newSigner(id, algorithm)
    this.#open()
    if (this.#keys.has(id)) throw keyExists(id) // made by another call while this one waited
    this.#add(id, signer)
    return signer
  }

  async getSigner(id: string, version?: number): Promise<SoftwareSigner | undefined> {
    this.#check(id)
    const versions = this.#keys.get(id)
    return (version === undefined ? versions?.at(-1) : versions?.find((found) => found.version === version))
      ?.signer
  }

  async listKeys(): Promise<readonly KeyInfo[]> {
    this.#open()
    return [...this.#keys]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([id, versions]) =>
        versions.map(({ version, created, signer }, at) => ({
          id,
          version,
          algorithm: signer.algorithm,
          created,
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
    // Loaded when a backup is made or read: few programs do, and all of them pay for what their import loads.
    const { sealKeyBackup } = await import('./key-backup.ts')
    return sealKeyBackup(signer.privateKey(), { keyId: id, algorithm: signer.algorithm, created }, protection)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<SoftwareSigner> {
    this.#open()
    // What was opened is what is used, though the caller's object change meanwhile.
    const taken = { ...backup }
    const { openKeyBackup } = await import('./key-backup.ts')
    const privateKey = await openKeyBackup(taken, protection)
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

  /** Forgets every key; later calls are ERR_CLOSED. */
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
