// Keys in files: one directory a key, one encrypted file a version. Several processes may share them.

import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { decodeBase64, encodeBase64 } from '../../internal/bytes.ts'
import { decodeOnePem, encodePem } from '../../internal/pem.ts'
import {
  createSecureFile,
  listSecureDirectories,
  listSecureFiles,
  readSecureFile,
  removeSecureFile,
  secureDirectory,
} from './secure-file.ts'
import type { OnWriteStep } from './secure-file.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { decryptPrivateKey, encryptPrivateKey } from './encrypted-private-key.ts'
import {
  SoftwareSigner,
  generatePrivateKey,
  importPrivateKey,
  isKeyAlgorithm,
  keyExists,
  keyIdPattern,
  keyNotFound,
  openKeyBackup,
  requireKeyAlgorithm,
  requireKeyId,
  sealKeyBackup,
} from '../../keys/index.ts'
import type {
  BackupProtection,
  EncryptedKeyBackup,
  KeyAlgorithm,
  KeyInfo,
  KeyManager,
} from '../../keys/index.ts'

/** Options of `FileKeyManager.open`. */
export interface FileKeyManagerOptions {
  /** Made if it is not there; mode 0700. */
  readonly directory: string
  /** Asked whenever a file is written or first read; may ask a vault. */
  readonly passphrase: () => string | Uint8Array | Promise<string | Uint8Array>
  /** Tells the time that a key is made at. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Told of each moment of a write; for tests that end the process there. */
  readonly onWriteStep?: OnWriteStep | undefined
}

interface About {
  readonly algorithm: KeyAlgorithm
  readonly created: Date
  readonly mac: Uint8Array
  readonly text: string
}

/** A key, or the mark of a number that is not given again. */
type FileKind = 'pem' | 'destroyed'

interface Stored extends About {
  readonly signer: SoftwareSigner
}

/**
 * A `KeyManager` over a directory: `<id>/<version>.pem`, each an `ENCRYPTED PRIVATE KEY` that `openssl pkcs8` opens, with the algorithm and
 * time as text above it, and a MAC under the passphrase over all of it and its place: a file that was changed, or put in the place of another,
 * is ERR_KEY_STORAGE when it is used. What `listKeys` says was not checked, for that needs no passphrase. A file is never changed: a rotation
 * adds one. Where the newest version of several was destroyed, an empty `<version>.destroyed` keeps its number from being given again.
 */
export class FileKeyManager implements KeyManager {
  readonly #options: FileKeyManagerOptions
  readonly #clock: Clock
  readonly #opened = new Map<string, Stored>()
  #closed = false

  private constructor(options: FileKeyManagerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Opens a directory, or makes it.
   *
   * @throws ERR_KEY_STORAGE for a directory that cannot be made or is open to others; ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * await using manager = await FileKeyManager.open({ directory: '/var/lib/ca/keys', passphrase: () => readPassphrase() })
   * const issuing = (await manager.getSigner('issuing')) ?? (await manager.generateKey('issuing', 'P-256'))
   * ```
   */
  static async open(options: FileKeyManagerOptions): Promise<FileKeyManager> {
    const { directory, passphrase } = (options as Partial<FileKeyManagerOptions> | undefined) ?? {}
    if (typeof directory !== 'string' || directory === '')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'directory is the path of one')
    if (typeof passphrase !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'passphrase is a function that answers with it')
    await secureDirectory(options.directory)
    return new FileKeyManager(options)
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
    // Destroyed by another process since it was listed: the one before it is current now.
    return found === undefined && version === undefined ? this.getSigner(id) : found?.signer
  }

  async listKeys(): Promise<readonly KeyInfo[]> {
    this.#checkOpen()
    const keys: KeyInfo[] = []
    for (const id of [...(await listSecureDirectories(this.#options.directory))].sort()) {
      if (!keyIdPattern.test(id)) continue
      const versions = await this.#versions(id)
      for (const version of versions) {
        const about = await this.#about(id, version)
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
    // Opened, for what stands above the key is not to be believed before.
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
    // What was opened is what is used, though the caller's object change meanwhile.
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
    // Before the file goes, or a crash between the two would free the number.
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

  /** Forgets what was read; later calls are ERR_CLOSED. The files stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#opened.clear()
  }

  /** As `#add`, with the next number where another process took this one. */
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
    const created = new Date(this.#clock.now())
    const { der, mac } = await encryptPrivateKey(
      key,
      await this.#options.passphrase(),
      description(id, version, algorithm, created),
    )
    await secureDirectory(join(this.#options.directory, id))
    const text = fileText(algorithm, created, mac, der)
    if (!(await createSecureFile(this.#path(id, version), text, this.#options.onWriteStep))) return undefined
    // Another process made and destroyed this version since the numbers were read: whoever does so leaves the mark first.
    if ((await readSecureFile(this.#path(id, version, 'destroyed'), 0)) !== undefined) {
      await removeSecureFile(this.#path(id, version))
      return undefined
    }
    const signer = new SoftwareSigner(key, { id, pss: algorithm.startsWith('RSA-PSS') })
    this.#opened.set(`${id}/${version}`, { algorithm, created, mac, text, signer })
    return signer
  }

  async #read(id: string, version: number): Promise<Stored | undefined> {
    const about = await this.#about(id, version)
    const known = this.#opened.get(`${id}/${version}`)
    // Another process may have destroyed this version and made one of the same number: what counts is what the file holds now.
    if (about !== undefined && known?.text === about.text) return known
    this.#opened.delete(`${id}/${version}`)
    if (about === undefined) return undefined
    const { algorithm, created, mac, text } = about
    const der = decodeOnePem(text, ['ENCRYPTED PRIVATE KEY'], maxFileOctets)
    if (fileText(algorithm, created, mac, der) !== text) throw foreign(id, version)
    const passphrase = await this.#options.passphrase()
    const key = importPrivateKey(
      await decryptPrivateKey({ der, mac }, passphrase, description(id, version, algorithm, created)).catch(
        (cause: unknown) => {
          throw isPkiError(cause)
            ? new PkiError(cause.code, `key ${id}, version ${version}: ${cause.message}`, { cause })
            : cause
        },
      ),
    )
    const signer = new SoftwareSigner(key, { id, pss: algorithm.startsWith('RSA-PSS') })
    if (signer.algorithm !== algorithm) throw foreign(id, version)
    const stored = { ...about, signer }
    this.#opened.set(`${id}/${version}`, stored)
    return stored
  }

  /** What stands above the key; the key stays encrypted. */
  async #about(id: string, version: number): Promise<About | undefined> {
    const text = await readSecureFile(this.#path(id, version), maxFileOctets)
    if (text === undefined) return undefined
    const [, algorithm = '', created = '', mac = ''] = aboutPattern.exec(text) ?? []
    if (!isKeyAlgorithm(algorithm) || Number.isNaN(Date.parse(created))) throw foreign(id, version)
    return { algorithm, created: new Date(created), mac: decodeBase64(mac), text }
  }

  /** Ascending. */
  async #versions(id: string): Promise<readonly number[]> {
    return (await this.#numbers(id)).versions
  }

  /** The versions, ascending, and the highest number that was given, destroyed versions too. */
  async #numbers(id: string): Promise<{ readonly versions: readonly number[]; readonly newest: number }> {
    this.#checkOpen()
    requireKeyId(id)
    const names = await listSecureFiles(join(this.#options.directory, id), this.#clock.now())
    const versions = numbersOf(names, 'pem')
    return { versions, newest: Math.max(0, ...versions, ...numbersOf(names, 'destroyed')) }
  }

  /** The key is gone with all its versions: the next of this id begins anew. */
  async #forgetNumbers(id: string): Promise<void> {
    const names = await listSecureFiles(join(this.#options.directory, id), this.#clock.now())
    if (numbersOf(names, 'pem').length > 0) return
    for (const one of numbersOf(names, 'destroyed')) await removeSecureFile(this.#path(id, one, 'destroyed'))
  }

  async #current(id: string): Promise<number> {
    const version = (await this.#versions(id)).at(-1)
    if (version === undefined) throw keyNotFound(id)
    return version
  }

  #path(id: string, version: number, kind: FileKind = 'pem'): string {
    return join(this.#options.directory, id, `${version}.${kind}`)
  }

  #checkOpen(): void {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the key manager was closed')
  }
}

/** The whole file: nothing else is read, so nothing else may stand in it. */
function fileText(algorithm: KeyAlgorithm, created: Date, mac: Uint8Array, der: Uint8Array): string {
  return `algorithm: ${algorithm}\ncreated: ${created.toISOString()}\nmac: ${encodeBase64(mac)}\n${encodePem('ENCRYPTED PRIVATE KEY', der)}`
}

/** What the MAC covers beside the key. */
function description(id: string, version: number, algorithm: KeyAlgorithm, created: Date): string {
  return `${id}/${version}\n${algorithm}\n${created.toISOString()}\n`
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

function foreign(id: string, version: number): PkiError {
  return new PkiError('ERR_KEY_STORAGE', `version ${version} of key ${id} is no file of this key manager`)
}

/** What `fileText` writes above a key. */
const aboutPattern =
  /^algorithm: ([A-Za-z0-9-]{1,16})\ncreated: (\S{1,40})\nmac: ([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)\n/
/** RSA-4096 takes a tenth of it. */
const maxFileOctets = 64 * 1024
