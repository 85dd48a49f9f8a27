// A KeyManager that stores keys in files: one directory per key, one
// encrypted file per version, shared between processes.

import type { KeyObject } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { SoftwareSigner, generatePrivateKey, openKeyBackup, sealKeyBackup } from '../../keys/index.ts'
import {
  keyExists,
  keyNotFound,
  ownProtection,
  requireKeyAlgorithm,
  requireKeyId,
} from '../../keys/internal.ts'
import type {
  BackupProtection,
  EncryptedKeyBackup,
  KeyAlgorithm,
  KeyInfo,
  KeyManager,
} from '../../keys/index.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { encryptAnew } from './change-passphrase.ts'
import { KeyDirectory } from './key-directory.ts'
import { openKeyFile, writeKeyFile } from './key-file.ts'
import type { OpenedKeyFile } from './key-file.ts'
import { PassphraseProof } from './passphrase-proof.ts'

/** Returns the passphrase; may be asynchronous, for example to read it from a vault. @inline */
export type PassphraseSource = () => string | Uint8Array | Promise<string | Uint8Array>

/** Options of `FileKeyManager.open`. @inline */
export interface FileKeyManagerOptions {
  /** Created if missing, with mode 0700. */
  readonly directory: string
  /**
   * Called whenever a file is written or first read. One directory has one
   * passphrase: `changePassphrase` replaces it.
   */
  readonly passphrase: PassphraseSource
  /** The clock for the creation time of keys; default `systemClock`. */
  readonly clock?: Clock | undefined
  /**
   * The number of a group that may also read and write the directory and its files, for a Kubernetes volume
   * with `fsGroup` (the kubelet sets group permissions at each mount). Every member of the group can then
   * replace keys and try passphrases. Default: only the owner.
   */
  readonly dangerouslyAllowGroupId?: number | undefined
}

/**
 * A `KeyManager` over a directory. Each version of a key is the file `<id>/<version>.pem`: an `ENCRYPTED
 * PRIVATE KEY` that `openssl pkcs8` can decrypt, with algorithm and time as text above it, and a MAC under
 * the passphrase over the whole file and its path. A file that was changed or moved is refused with
 * ERR_KEY_STORAGE when it is used. `listKeys` needs no passphrase, so it does not verify the MAC. Files are
 * never changed: a rotation adds one. When the newest of several versions is destroyed, an empty
 * `<version>.destroyed` reserves its number.
 */
export class FileKeyManager implements KeyManager {
  readonly #directory: KeyDirectory
  readonly #clock: Clock
  readonly #opened = new Map<string, OpenedKeyFile>()
  readonly #proof: PassphraseProof
  #passphrase: PassphraseSource
  #closed = false

  private constructor(directory: KeyDirectory, passphrase: PassphraseSource, clock: Clock) {
    this.#directory = directory
    this.#proof = new PassphraseProof(directory)
    this.#passphrase = passphrase
    this.#clock = clock
  }

  /**
   * Opens a directory, creating it if missing.
   *
   * @throws ERR_KEY_STORAGE for a directory that cannot be created or is
   *   accessible to others; ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * const directory = '/var/lib/ca/keys'
   * await using manager = await FileKeyManager.open({ directory, passphrase: () => readPassphrase() })
   * const issuing = (await manager.getSigner('issuing')) ?? (await manager.generateKey('issuing', 'P-256'))
   * ```
   */
  static async open(options: FileKeyManagerOptions): Promise<FileKeyManager> {
    const read = readOptions<FileKeyManagerOptions>('FileKeyManager.open', options, {
      directory: 'required',
      passphrase: 'required',
      clock: 'optional',
      dangerouslyAllowGroupId: 'optional',
    })
    const { directory, passphrase, clock = systemClock, dangerouslyAllowGroupId: groupId } = read
    if (typeof directory !== 'string' || directory === '')
      throw invalid('directory must be the path of a directory')
    requireSource(passphrase)
    checkCounts({ dangerouslyAllowGroupId: groupId }, 0)
    return new FileKeyManager(await KeyDirectory.open(directory, { groupId }, clock), passphrase, clock)
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
    requireKeyAlgorithm(algorithm)
    const { versions, newest } = await this.#numbersOf(id)
    if (versions.length > 0) throw keyExists(id)
    return this.#add(id, newest + 1, await generatePrivateKey(algorithm), algorithm)
  }

  async getSigner(id: string, version?: number): Promise<SoftwareSigner | undefined> {
    const { versions } = await this.#numbersOf(id)
    const wanted = version ?? versions.at(-1)
    if (wanted === undefined || !versions.includes(wanted)) return undefined
    const found = await this.#read(id, wanted)
    // Another process destroyed it since it was listed: the version before it is now current.
    return found === undefined && version === undefined ? this.getSigner(id) : found?.signer
  }

  async listKeys(id?: string): Promise<readonly KeyInfo[]> {
    this.#checkOpen()
    const ids = id === undefined ? await this.#directory.ids() : [requireKeyId(id)]
    const keys: KeyInfo[] = []
    for (const one of ids) keys.push(...(await this.#directory.describe(one)))
    return keys
  }

  async rotateKey(id: string): Promise<SoftwareSigner> {
    const { versions, newest } = await this.#numbersOf(id)
    // Decrypted, because the description above the key is not authenticated before that.
    const { algorithm } =
      (await this.#read(id, versions.at(-1) ?? raise(keyNotFound(id)))) ?? raise(keyNotFound(id))
    return this.#addNext(id, newest + 1, await generatePrivateKey(algorithm), algorithm)
  }

  async backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup> {
    const own = ownProtection(protection)
    const { signer, algorithm, created } =
      (await this.#read(id, await this.#current(id))) ?? raise(keyNotFound(id))
    return sealKeyBackup(signer.privateKey(), { keyId: id, algorithm, created }, own)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<SoftwareSigner> {
    this.#checkOpen()
    // The copy is used, even if the caller changes its object meanwhile.
    const taken = { ...backup }
    const key = await openKeyBackup(taken, protection)
    const id = taken.keyId
    const { versions, newest } = await this.#numbersOf(id)
    const restored = new SoftwareSigner(key, { pss: taken.algorithm.startsWith('RSA-PSS') })
    for (const version of versions)
      if ((await this.#read(id, version))?.signer.publicKey.equals(restored.publicKey) === true)
        throw keyExists(id)
    return this.#addNext(id, newest + 1, key, taken.algorithm)
  }

  async destroyKey(id: string, version?: number): Promise<void> {
    const { versions, newest } = await this.#numbersOf(id)
    const doomed = version === undefined ? versions : versions.filter((one) => one === version)
    const whole = doomed.length === versions.length
    // Written before the file is removed: a crash between the two would free the number.
    if (!whole && version === newest && doomed.length > 0) await this.#directory.reserve(id, version)
    let removed = 0
    for (const one of doomed) {
      this.#opened.delete(`${id}/${one}`)
      if (await this.#directory.remove(id, one)) removed++
    }
    if (removed === 0) throw keyNotFound(id, version)
    if (whole) await this.#directory.forgetNumbers(id)
  }

  /**
   * Encrypts every key of the directory under another passphrase, which the manager then uses. Every key is
   * decrypted before the first file is replaced. Repeat an interrupted call: files that the new passphrase
   * decrypts are skipped. No other process may write to the directory meanwhile; other managers need the new
   * passphrase afterwards.
   *
   * @throws ERR_KEY_PASSPHRASE for a key that neither passphrase decrypts;
   *   ERR_KEY_STORAGE, ERR_INVALID_ARGUMENT
   */
  async changePassphrase(passphrase: PassphraseSource): Promise<void> {
    requireSource(passphrase)
    this.#checkOpen()
    const before = await askPassphrase(this.#passphrase)
    await encryptAnew(this.#directory, { before, after: await askPassphrase(passphrase) })
    this.#passphrase = passphrase
    this.#proof.forget()
    this.#opened.clear()
  }

  /** Releases the cached keys; later calls throw ERR_CLOSED. The files stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#opened.clear()
  }

  /** Like `#add`, with the next number if another process took this one. */
  async #addNext(
    id: string,
    first: number,
    key: KeyObject,
    algorithm: KeyAlgorithm,
  ): Promise<SoftwareSigner> {
    for (let version = first; ; version++) {
      const added = await this.#write(id, version, key, algorithm)
      if (added !== undefined) return added
    }
  }

  async #add(id: string, version: number, key: KeyObject, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
    const added = await this.#write(id, version, key, algorithm)
    if (added === undefined) throw keyExists(id)
    return added
  }

  async #write(
    id: string,
    version: number,
    key: KeyObject,
    algorithm: KeyAlgorithm,
  ): Promise<SoftwareSigner | undefined> {
    const passphrase = await askPassphrase(this.#passphrase)
    await this.#proof.require(passphrase)
    const about = { algorithm, created: new Date(this.#clock.now()) }
    const file = await writeKeyFile({ id, version }, key, about, passphrase)
    if (!(await this.#directory.create(id, version, file.text))) return undefined
    this.#opened.set(`${id}/${version}`, file)
    return file.signer
  }

  async #read(id: string, version: number): Promise<OpenedKeyFile | undefined> {
    const header = await this.#directory.header(id, version)
    const known = this.#opened.get(`${id}/${version}`)
    // Another process may have destroyed this version and created another with
    // the same number: compare the content of the file.
    if (header !== undefined && known?.text === header.text) return known
    this.#opened.delete(`${id}/${version}`)
    if (header === undefined) return undefined
    const opened = await openKeyFile({ id, version }, header, await askPassphrase(this.#passphrase))
    this.#opened.set(`${id}/${version}`, opened)
    return opened
  }

  /** The version numbers in use, and the highest number ever used. @throws ERR_CLOSED */
  async #numbersOf(id: string): ReturnType<KeyDirectory['numbers']> {
    this.#checkOpen()
    return this.#directory.numbers(id)
  }

  async #current(id: string): Promise<number> {
    const version = (await this.#numbersOf(id)).versions.at(-1)
    if (version === undefined) throw keyNotFound(id)
    return version
  }

  #checkOpen(): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
  }
}

function raise(error: PkiError): never {
  throw error
}

function requireSource(source: unknown): void {
  if (typeof source !== 'function') throw invalid('passphrase must be a function that returns the passphrase')
}

/** @throws ERR_KEY_STORAGE if the source fails; the secret may be in its error, which is the cause alone */
async function askPassphrase(source: PassphraseSource): Promise<string | Uint8Array> {
  let passphrase: string | Uint8Array
  try {
    passphrase = await source()
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError(
      'ERR_KEY_STORAGE',
      'the passphrase source failed: the function `passphrase` threw or rejected; see the cause',
      { cause },
    )
  }
  if (typeof passphrase === 'string' || passphrase instanceof Uint8Array) return passphrase
  throw invalid(`the passphrase source returned ${nameOf(passphrase)}; expected text or octets`)
}

function invalid(what: string): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', `FileKeyManager: ${what}`)
}
