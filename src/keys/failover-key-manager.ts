// Several key managers that hold the same keys, used as one: the first that works signs.

import { isPkiError, PkiError } from '../errors/index.ts'
import { checkMeasures } from '../internal/numbers.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { noMetrics, silentLogger, systemClock } from '../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import type { PublicKey, SignOptions, SignatureAlgorithm, Signer } from '../x509/index.ts'
import { requireKeyId } from './key-algorithm.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'
import type { BackupProtection, EncryptedKeyBackup } from './key-backup.ts'
import type { KeyInfo, KeyManager } from './key-manager.ts'

/** Options of `FailoverKeyManager`. */
export interface FailoverKeyManagerOptions {
  /** In the order in which they are asked; the first is where keys are made. */
  readonly managers: readonly KeyManager[]
  /** How long a manager that failed is passed over before one call tries it again, in ms. Default 5,000. */
  readonly retryAfterMs?: number | undefined
  /** Times the rest of a manager that failed. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Told when a manager is passed over, and when it is back. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `key_manager_failovers_total{code}`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/**
 * A `KeyManager` over several that hold the same keys: two tokens that replicate, or a token and an encrypted file for the day it breaks.
 *
 * - Signing goes to the first manager that works. One that is unavailable (`failoverCodes`) is passed over until `retryAfterMs` is over.
 *   Any other failure is the caller's to see: a wrong signature, a refused operation or a missing key is not cured by another backend.
 * - Another manager signs only with the very same public key; which version number it has there does not matter. Once the first manager
 *   has said which key an id is, no other key is given out under it: a stale replica is as one that has none.
 * - Keys are made, rotated, restored and backed up in the first manager; `replicateKey` copies one to the others where keys may leave.
 *   A key is destroyed in all of them, or the call fails.
 *
 * @example
 * ```ts
 * await using keys = new FailoverKeyManager({ managers: [token, files] })
 * const signer = await keys.getSigner('root')
 * ```
 */
export class FailoverKeyManager implements KeyManager {
  readonly #backends: readonly Backend[]
  /** The public key that the first manager has under an id, or an id and version, as far as it was asked. */
  readonly #known = new Map<string, PublicKey>()
  readonly #options: {
    readonly retryAfterMs: number
    readonly clock: Clock
    readonly logger: Logger
    readonly metrics: Metrics
  }

  /** @throws ERR_INVALID_ARGUMENT for less than one manager, or a time that is none */
  constructor(options: FailoverKeyManagerOptions) {
    const {
      managers,
      retryAfterMs = 5000,
      clock = systemClock,
      logger = silentLogger,
      metrics = noMetrics,
    } = Object(options) as Partial<FailoverKeyManagerOptions>
    // No moment is before NaN: a manager that failed would be asked by every call.
    checkMeasures({ retryAfterMs }, 0)
    if (!Array.isArray(managers) || managers.length === 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'no key manager to use')
    this.#backends = (managers as readonly KeyManager[]).map((keys, place) => ({
      keys,
      place,
      downUntil: Number.NEGATIVE_INFINITY,
    }))
    this.#options = { retryAfterMs, clock, logger, metrics }
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<Signer> {
    return this.#made(id, await this.#first.generateKey(id, algorithm))
  }

  /**
   * The first manager that works says whether there is such a key.
   *
   * @throws the failure of the first, or ERR_KEY_NOT_FOUND while that is passed over, where another manager holds another key than the first did
   */
  async getSigner(id: string, version?: number): Promise<Signer | undefined> {
    const name = nameOf(id, version)
    const found = await this.#try(async ({ keys, place }) => {
      const known = this.#known.get(name)
      if (place > 0 && known !== undefined) return signerWith(keys, id, known)
      const signer = await keys.getSigner(id, version)
      if (place === 0) {
        if (signer === undefined) this.#known.delete(name)
        else this.#known.set(name, signer.publicKey)
      }
      return signer
    })
    return found === undefined ? undefined : this.#wrap(id, found)
  }

  listKeys(): Promise<readonly KeyInfo[]> {
    return this.#try(({ keys }) => keys.listKeys())
  }

  async rotateKey(id: string): Promise<Signer> {
    return this.#made(id, await this.#first.rotateKey(id))
  }

  backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup> {
    return this.#first.backupKey(id, protection)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<Signer> {
    // What was opened is what is used, though the caller's object change meanwhile.
    const taken = { ...backup }
    return this.#made(taken.keyId, await this.#first.restoreKey(taken, protection))
  }

  /**
   * Copies the current version of a key from the first manager to those that do not have it.
   *
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_NOT_EXTRACTABLE; what the others throw
   */
  async replicateKey(id: string, protection: BackupProtection): Promise<void> {
    const backup = await this.#first.backupKey(id, protection)
    for (const { keys } of this.#backends.slice(1)) {
      await keys.restoreKey(backup, protection).catch((error: unknown) => {
        if (!isPkiError(error, 'ERR_KEY_EXISTS')) throw error
      })
    }
  }

  /** @throws ERR_KEY_NOT_FOUND where no manager has it; the failure of any that could not be asked, and then it may still exist there */
  async destroyKey(id: string, version?: number): Promise<void> {
    requireKeyId(id)
    // A version is another number elsewhere: what it is, is its public key.
    const doomed =
      version === undefined ? undefined : await this.#try(({ keys }) => keys.getSigner(id, version))
    if (version !== undefined && doomed === undefined) throw notFound(id)
    let destroyed = 0
    for (const { keys } of this.#backends) {
      const versions = await versionsOf(keys, id, doomed?.publicKey)
      if (doomed === undefined && versions.length > 0) await keys.destroyKey(id)
      else for (const one of versions) await keys.destroyKey(id, one)
      destroyed += versions.length
    }
    for (const name of this.#known.keys()) if (name.startsWith(nameOf(id))) this.#known.delete(name)
    if (destroyed === 0) throw notFound(id)
  }

  /** Closes every manager; the first failure is thrown when all were asked. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#known.clear()
    const outcomes = await Promise.allSettled(
      this.#backends.map(async ({ keys }) => keys[Symbol.asyncDispose]()),
    )
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  #made(id: string, signer: Signer): Signer {
    this.#known.set(nameOf(id), signer.publicKey)
    return this.#wrap(id, signer)
  }

  get #first(): KeyManager {
    return (this.#backends[0] as Backend).keys
  }

  #wrap(id: string, signer: Signer): Signer {
    const found = new Map<Backend, Signer>()
    return new FailoverSigner(id, signer, async (given, options) => {
      if (!ArrayBuffer.isView(given))
        throw new PkiError('ERR_INVALID_ARGUMENT', 'what is signed is a Uint8Array')
      // A copy: a manager may be asked late, when the caller writes something else into its buffer.
      const data = Uint8Array.from(new Uint8Array(given.buffer, given.byteOffset, given.byteLength))
      return this.#try(async (backend) => {
        const own = found.get(backend) ?? (await signerWith(backend.keys, id, signer.publicKey))
        found.set(backend, own)
        return own.sign(data, options)
      })
    })
  }

  /** Asks the managers in order; the failure of the last one that was asked is thrown. */
  async #try<T>(call: (backend: Backend) => Promise<T>): Promise<T> {
    const { clock, logger, metrics, retryAfterMs } = this.#options
    let failure: PkiError | undefined
    let passedOver: Backend | undefined
    for (const backend of this.#backends) {
      if (clock.monotonic() < backend.downUntil) {
        passedOver ??= backend
        continue
      }
      const wasDown = backend.downUntil > Number.NEGATIVE_INFINITY
      // One call tries a manager that was down; those beside it go on to the next.
      if (wasDown) backend.downUntil = clock.monotonic() + retryAfterMs
      try {
        const result = await call(backend)
        backend.downUntil = Number.NEGATIVE_INFINITY
        if (wasDown) logger.info({ manager: backend.place }, 'a key manager works again')
        return result
      } catch (error) {
        const isFault = isPkiError(error) && failoverCodes.has(error.code)
        // A full queue is load, not a fault: the next call may find room. Whoever answers anything else is there.
        const isDown = isFault && error.code !== 'ERR_HSM_QUEUE_FULL'
        backend.downUntil = isDown ? clock.monotonic() + retryAfterMs : Number.NEGATIVE_INFINITY
        if (!isFault) {
          // It does not hold this key: the failure before it is what the caller has to know.
          if (isPkiError(error, 'ERR_KEY_NOT_FOUND') && failure !== undefined) continue
          throw error
        }
        failure = error
        metrics.count('key_manager_failovers_total', { code: error.code })
        logger.warn(
          { manager: backend.place, code: error.code },
          'a key manager failed; the next one is asked',
        )
      }
    }
    if (failure !== undefined) throw failure
    // All are passed over: better one call too many than a refusal without asking.
    return call(passedOver as Backend)
  }
}

/**
 * Failures after which another manager is asked: no signature was let out, and the backend itself is what is wrong.
 *
 * | code | what is wrong |
 * |---|---|
 * | `ERR_HSM_UNAVAILABLE`, `ERR_HSM_TOKEN_NOT_FOUND`, `ERR_PKCS11_LIBRARY` | the token or its library is gone, or the breaker is open |
 * | `ERR_HSM_PIN` | the token is locked, or wants another PIN |
 * | `ERR_HSM_SESSION_LIMIT`, `ERR_HSM_QUEUE_FULL`, `ERR_HSM_TIMEOUT` | it has no room, or does not answer |
 * | `ERR_KEY_STORAGE` | files cannot be read |
 *
 * Every other code is the caller's: a wrong signature (`ERR_HSM_SIGNATURE`), a refusal (`ERR_HSM_REFUSED`, `ERR_HSM_KEY_PROTECTION`,
 * `ERR_HSM_KEY_AMBIGUOUS`), a key that is not there (`ERR_KEY_NOT_FOUND`), a closed manager (`ERR_CLOSED`), a call that was stopped
 * (`ERR_ABORTED`), an argument that is wrong.
 */
export const failoverCodes: ReadonlySet<PkiErrorCode> = new Set<PkiErrorCode>([
  'ERR_HSM_UNAVAILABLE',
  'ERR_HSM_SESSION_LIMIT',
  'ERR_HSM_QUEUE_FULL',
  'ERR_HSM_TIMEOUT',
  'ERR_HSM_PIN',
  'ERR_HSM_TOKEN_NOT_FOUND',
  'ERR_PKCS11_LIBRARY',
  'ERR_KEY_STORAGE',
])

interface Backend {
  readonly keys: KeyManager
  readonly place: number
  /** Passed over before this moment of the monotonic clock. */
  downUntil: number
}

class FailoverSigner implements Signer {
  readonly id: string
  readonly publicKey: PublicKey
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly sign: (data: Uint8Array, options?: SignOptions) => Promise<Uint8Array>

  constructor(id: string, { publicKey, signatureAlgorithm }: Signer, sign: FailoverSigner['sign']) {
    this.id = id
    this.publicKey = publicKey
    this.signatureAlgorithm = signatureAlgorithm
    this.sign = sign
  }
}

/** @throws ERR_KEY_NOT_FOUND where the manager has no version with this public key */
async function signerWith(keys: KeyManager, id: string, publicKey: PublicKey): Promise<Signer> {
  const current = await keys.getSigner(id)
  if (current?.publicKey.equals(publicKey) === true) return current
  const [version] = await versionsOf(keys, id, publicKey)
  const older = version === undefined ? undefined : await keys.getSigner(id, version)
  if (older === undefined) throw notFound(id)
  return older
}

/** The versions of a key, or those with this public key. */
async function versionsOf(keys: KeyManager, id: string, publicKey: PublicKey | undefined): Promise<number[]> {
  const versions = (await keys.listKeys()).filter((info) => info.id === id).map(({ version }) => version)
  if (publicKey === undefined) return versions
  const same: number[] = []
  for (const version of versions)
    if ((await keys.getSigner(id, version))?.publicKey.equals(publicKey) === true) same.push(version)
  return same
}

/** No id ends in a slash or has one, so no two are alike. */
function nameOf(id: string, version?: number): string {
  return `${id}/${version ?? ''}`
}

function notFound(id: string): PkiError {
  return new PkiError('ERR_KEY_NOT_FOUND', `no manager that works holds this key of ${id}`)
}
