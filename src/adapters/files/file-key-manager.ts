// A KeyManager that stores keys in files: one directory per key, one
// encrypted file per version, shared between processes.

import { createHmac, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { requirePassphrase } from '../../internal/passphrase.ts'
import { SoftwareSigner, generatePrivateKey, openKeyBackup, sealKeyBackup } from '../../keys/index.ts'
import {
  keyExists,
  keyIdPattern,
  keyNotFound,
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
import type { FileAccess } from './file-access.ts'
import { maxKeyFileOctets, openKeyFile, readKeyFileHeader, writeKeyFile } from './key-file.ts'
import type { KeyFileHeader, OpenedKeyFile } from './key-file.ts'
import {
  listSecureDirectories,
  listSecureFiles,
  requireSameDirectory,
  secureDirectory,
} from './secure-directory.ts'
import type { SecureDirectory } from './secure-directory.ts'
import { createSecureFile, readSecureFile, removeSecureFile, replaceSecureFile } from './secure-file.ts'

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

/** A key, or the marker of a version number that is not used again. */
type FileKind = 'pem' | 'destroyed'

/**
 * A `KeyManager` over a directory. Each version of a key is the file `<id>/<version>.pem`: an `ENCRYPTED
 * PRIVATE KEY` that `openssl pkcs8` can decrypt, with algorithm and time as text above it, and a MAC under
 * the passphrase over all of it and its path. A file that was changed or moved is refused with
 * ERR_KEY_STORAGE when it is used. `listKeys` needs no passphrase, so it does not verify the MAC. Files are
 * never changed: a rotation adds one. When the newest of several versions is destroyed, an empty
 * `<version>.destroyed` reserves its number.
 */
export class FileKeyManager implements KeyManager {
  /** The directory as the caller named it, and its resolved path. */
  readonly #named: string
  readonly #directory: SecureDirectory
  readonly #access: FileAccess
  readonly #clock: Clock
  readonly #opened = new Map<string, OpenedKeyFile>()
  readonly #digestKey = randomBytes(32)
  #passphrase: PassphraseSource
  /** Files that were decrypted, with a keyed digest of their passphrase. */
  #proven: { readonly text: string; readonly digest: string } | undefined
  #closed = false

  private constructor(
    options: Readonly<FileKeyManagerOptions>,
    directory: SecureDirectory,
    access: FileAccess,
  ) {
    this.#named = options.directory
    this.#directory = directory
    this.#access = access
    this.#passphrase = options.passphrase
    this.#clock = options.clock ?? systemClock
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
    const { directory, passphrase, dangerouslyAllowGroupId: groupId } = read
    if (typeof directory !== 'string' || directory === '')
      throw invalid('directory must be the path of a directory')
    requireSource(passphrase)
    checkCounts({ dangerouslyAllowGroupId: groupId }, 0)
    const access: FileAccess = { groupId }
    return new FileKeyManager(read, await secureDirectory(directory, access), access)
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<SoftwareSigner> {
    requireKeyAlgorithm(algorithm)
    const { versions, newest } = await this.#numbers(id)
    if (versions.length > 0) throw keyExists(id)
    return this.#add(id, newest + 1, await generatePrivateKey(algorithm), algorithm)
  }

  async getSigner(id: string, version?: number): Promise<SoftwareSigner | undefined> {
    const versions = await this.#versions(id)
    const wanted = version ?? versions.at(-1)
    if (wanted === undefined || !versions.includes(wanted)) return undefined
    const found = await this.#read(id, wanted)
    // Another process destroyed it since it was listed: the version before it is now current.
    return found === undefined && version === undefined ? this.getSigner(id) : found?.signer
  }

  async listKeys(): Promise<readonly KeyInfo[]> {
    this.#checkOpen()
    const keys: KeyInfo[] = []
    for (const id of await this.#ids()) {
      const versions = await this.#versions(id)
      for (const version of versions) {
        const about = await this.#header(id, version)
        if (about !== undefined)
          keys.push({
            id,
            version,
            algorithm: about.algorithm,
            created: about.created,
            current: version === versions.at(-1),
          })
      }
    }
    return keys
  }

  async rotateKey(id: string): Promise<SoftwareSigner> {
    const { versions, newest } = await this.#numbers(id)
    // Decrypted, because the description above the key is not authenticated before that.
    const { algorithm } =
      (await this.#read(id, versions.at(-1) ?? raise(keyNotFound(id)))) ?? raise(keyNotFound(id))
    return this.#addNext(id, newest + 1, await generatePrivateKey(algorithm), algorithm)
  }

  async backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup> {
    const { signer, algorithm, created } =
      (await this.#read(id, await this.#current(id))) ?? raise(keyNotFound(id))
    return sealKeyBackup(signer.privateKey(), { keyId: id, algorithm, created }, protection)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<SoftwareSigner> {
    this.#checkOpen()
    // The copy is used, even if the caller changes its object meanwhile.
    const taken = { ...backup }
    const key = await openKeyBackup(taken, protection)
    const id = taken.keyId
    const { versions, newest } = await this.#numbers(id)
    const restored = new SoftwareSigner(key, { pss: taken.algorithm.startsWith('RSA-PSS') })
    for (const version of versions)
      if ((await this.#read(id, version))?.signer.publicKey.equals(restored.publicKey) === true)
        throw keyExists(id)
    return this.#addNext(id, newest + 1, key, taken.algorithm)
  }

  async destroyKey(id: string, version?: number): Promise<void> {
    const { versions, newest } = await this.#numbers(id)
    const doomed = version === undefined ? versions : versions.filter((one) => one === version)
    const whole = doomed.length === versions.length
    // Written before the file is removed: a crash between the two would free the number.
    if (!whole && version === newest && doomed.length > 0)
      await createSecureFile(this.#path(id, version, 'destroyed'), '')
    let removed = 0
    for (const one of doomed) {
      this.#opened.delete(`${id}/${one}`)
      if (await removeSecureFile(this.#path(id, one))) removed++
    }
    if (removed === 0) throw keyNotFound(id, version)
    if (whole) await this.#forgetNumbers(id)
  }

  /**
   * Encrypts every key of the directory under another passphrase, which the manager then uses. Repeat an
   * interrupted call: files that the new passphrase decrypts are skipped. No other process may write to the
   * directory meanwhile; other managers need the new passphrase afterwards.
   *
   * @throws ERR_KEY_PASSPHRASE for a key that neither passphrase decrypts;
   *   ERR_KEY_STORAGE, ERR_INVALID_ARGUMENT
   */
  async changePassphrase(passphrase: PassphraseSource): Promise<void> {
    requireSource(passphrase)
    this.#checkOpen()
    const [before, after] = [await this.#passphrase(), await passphrase()]
    for (const id of await this.#ids()) {
      for (const version of await this.#versions(id)) await this.#encryptAnew(id, version, before, after)
    }
    this.#passphrase = passphrase
    this.#proven = undefined
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
    const passphrase = await this.#passphrase()
    await this.#requireSamePassphrase(passphrase)
    const about = { algorithm, created: new Date(this.#clock.now()) }
    const file = await writeKeyFile({ id, version }, key, about, passphrase)
    await secureDirectory(join(this.#directory.path, id), this.#access)
    if (!(await createSecureFile(this.#path(id, version), file.text))) return undefined
    // Another process that created and destroyed this version since the numbers
    // were read has written its marker first.
    if ((await readSecureFile(this.#path(id, version, 'destroyed'), 0, this.#access)) !== undefined) {
      await removeSecureFile(this.#path(id, version))
      return undefined
    }
    this.#opened.set(`${id}/${version}`, file)
    return file.signer
  }

  async #read(id: string, version: number): Promise<OpenedKeyFile | undefined> {
    const header = await this.#header(id, version)
    const known = this.#opened.get(`${id}/${version}`)
    // Another process may have destroyed this version and created another with
    // the same number: compare the content of the file.
    if (header !== undefined && known?.text === header.text) return known
    this.#opened.delete(`${id}/${version}`)
    if (header === undefined) return undefined
    const opened = await openKeyFile({ id, version }, header, await this.#passphrase())
    this.#opened.set(`${id}/${version}`, opened)
    return opened
  }

  async #header(id: string, version: number): Promise<KeyFileHeader | undefined> {
    const text = await readSecureFile(this.#path(id, version), maxKeyFileOctets, this.#access)
    return text === undefined ? undefined : readKeyFileHeader({ id, version }, text)
  }

  async #encryptAnew(
    id: string,
    version: number,
    before: string | Uint8Array,
    after: string | Uint8Array,
  ): Promise<void> {
    const place = { id, version }
    const header = await this.#header(id, version)
    if (header === undefined) return
    let opened: OpenedKeyFile
    try {
      opened = await openKeyFile(place, header, before)
    } catch (error) {
      if (!isPkiError(error, 'ERR_KEY_PASSPHRASE')) throw error
      await openKeyFile(place, header, after) // an earlier call completed this step
      return
    }
    const file = await writeKeyFile(place, opened.signer.privateKey(), header, after)
    await replaceSecureFile(this.#path(id, version), file.text)
  }

  /** A new key must use the passphrase of the existing keys; otherwise some of them would not decrypt. */
  async #requireSamePassphrase(passphrase: string | Uint8Array): Promise<void> {
    const digest = createHmac('sha256', this.#digestKey).update(requirePassphrase(passphrase)).digest('hex')
    for (const id of await this.#ids()) {
      for (const version of await this.#versions(id)) {
        const header = await this.#header(id, version)
        if (header === undefined) continue
        if (this.#proven?.text === header.text && this.#proven.digest === digest) return
        await openKeyFile({ id, version }, header, passphrase).catch((cause: unknown) => {
          if (!isPkiError(cause, 'ERR_KEY_PASSPHRASE')) throw cause
          throw new PkiError(
            'ERR_KEY_PASSPHRASE',
            `${cause.message}: a directory has one passphrase, and changePassphrase replaces it`,
            { cause },
          )
        })
        this.#proven = { text: header.text, digest }
        return
      }
    }
  }

  /** The ids of the keys, sorted. */
  async #ids(): Promise<readonly string[]> {
    await requireSameDirectory(this.#named, this.#directory, this.#access)
    const names = await listSecureDirectories(this.#directory.path)
    return names.filter((name) => keyIdPattern.test(name)).sort()
  }

  /** Ascending. */
  async #versions(id: string): Promise<readonly number[]> {
    return (await this.#numbers(id)).versions
  }

  /** The versions, ascending, and the highest number ever used, including destroyed versions. */
  async #numbers(id: string): Promise<{ readonly versions: readonly number[]; readonly newest: number }> {
    this.#checkOpen()
    requireKeyId(id)
    await requireSameDirectory(this.#named, this.#directory, this.#access)
    const names = await listSecureFiles(join(this.#directory.path, id), this.#clock.now())
    const versions = numbersOf(names, 'pem')
    return { versions, newest: Math.max(0, ...versions, ...numbersOf(names, 'destroyed')) }
  }

  /** The key is destroyed with all its versions: the next key with this id starts at version 1. */
  async #forgetNumbers(id: string): Promise<void> {
    const names = await listSecureFiles(join(this.#directory.path, id), this.#clock.now())
    if (numbersOf(names, 'pem').length > 0) return
    for (const one of numbersOf(names, 'destroyed')) await removeSecureFile(this.#path(id, one, 'destroyed'))
  }

  async #current(id: string): Promise<number> {
    const version = (await this.#versions(id)).at(-1)
    if (version === undefined) throw keyNotFound(id)
    return version
  }

  #path(id: string, version: number, kind: FileKind = 'pem'): string {
    return join(this.#directory.path, id, `${version}.${kind}`)
  }

  #checkOpen(): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
  }
}

/** Ascending. */
function numbersOf(names: readonly string[], kind: FileKind): number[] {
  return names
    .flatMap((name) =>
      /^[1-9]\d{0,8}\.[a-z]+$/.test(name) && name.endsWith(`.${kind}`) ? [Number.parseInt(name, 10)] : [],
    )
    .sort((a, b) => a - b)
}

function raise(error: PkiError): never {
  throw error
}

function requireSource(source: unknown): void {
  if (typeof source !== 'function') throw invalid('passphrase must be a function that returns the passphrase')
}

function invalid(what: string): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', `FileKeyManager: ${what}`)
}
