// Several key managers with the same keys, used as one: the first available one signs.

import { readOptions } from '../../internal/options.ts'
import { isPkiError, PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { nameOf as kindOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import type { PublicKey, SignatureAlgorithm, Signer } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import { requireKeyId } from '../key-algorithm.ts'
import type { KeyAlgorithm } from '../key-algorithm.ts'
import type { BackupProtection } from '../backup/backup-protection.ts'
import type { EncryptedKeyBackup } from '../backup/encrypted-key-backup.ts'
import { ownProtection } from '../backup/own-protection.ts'
import type { KeyInfo, KeyManager } from '../key-manager.ts'
import { FailoverBackends } from './failover-backends.ts'
import type { FailoverBackend } from './failover-backends.ts'

/** Options of `FailoverKeyManager`. @inline */
export interface FailoverKeyManagerOptions {
  /** In the order in which they are tried; keys are generated in the first. */
  readonly managers: readonly KeyManager[]
  /** How long a failed manager is skipped before one call tries it again, in ms; default 5,000. */
  readonly retryAfterMs?: number | undefined
  /** Times `retryAfterMs`; default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Logs when a manager fails, and when it works again; default none. */
  readonly logger?: Logger | undefined
  /** Counts `key_manager_failovers_total{code}`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/**
 * A `KeyManager` over several that hold the same keys: two replicated tokens, or a token with an encrypted
 * file as a fallback.
 *
 * - The first available manager signs. One that fails with a code of `failoverCodes` is skipped for
 * `retryAfterMs`. Any other failure is thrown: another backend cannot correct a wrong signature, a refused
 * operation or a missing key.
 * - Another manager signs only with the same public key; its version number may
 *   differ. Once the first manager has returned a key for an id, no other key
 *   is returned for it: a stale replica counts as having none.
 * - Keys are generated, rotated, restored and backed up in the first manager; `replicateKey` copies one to
 *   the others if it can be exported. `destroyKey` destroys a key in all managers or fails.
 *
 * @example
 * ```ts
 * await using keys = new FailoverKeyManager({ managers: [token, files] })
 * const signer = await keys.getSigner('root')
 * ```
 */
export class FailoverKeyManager implements KeyManager {
  readonly #backends: FailoverBackends
  /** The public key in the first manager by id, or by id and version, as far as it is known. */
  readonly #known = new Map<string, PublicKey>()

  /** @throws ERR_INVALID_ARGUMENT for an empty list of managers, or an invalid time */
  constructor(options: FailoverKeyManagerOptions) {
    const {
      managers,
      retryAfterMs = 5000,
      clock = systemClock,
      logger,
      metrics,
    } = readOptions<FailoverKeyManagerOptions>('FailoverKeyManager', options, {
      managers: 'required',
      retryAfterMs: 'optional',
      clock: 'optional',
      logger: 'optional',
      metrics: 'optional',
    })
    // Comparisons with NaN are false: a failed manager would be tried by every call.
    checkMeasures({ retryAfterMs }, 0)
    if (!Array.isArray(managers) || managers.length === 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'managers is empty; at least one key manager is required')
    this.#backends = new FailoverBackends(managers, {
      retryAfterMs,
      clock,
      logger: safeLogger('FailoverKeyManager', logger),
      metrics: safeMetrics('FailoverKeyManager', metrics),
    })
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<Signer> {
    return this.#made(id, await this.#first.generateKey(id, algorithm))
  }

  /**
   * The first available manager decides whether the key exists.
   *
   * @throws the failure of the first, or ERR_KEY_NOT_FOUND while the first is skipped and another manager has
   * a different key than the first had
   */
  async getSigner(id: string, version?: number): Promise<Signer | undefined> {
    const name = nameOf(id, version)
    const found = await this.#backends.first(async ({ keys, place }) => {
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

  async listKeys(id?: string): Promise<readonly KeyInfo[]> {
    return this.#backends.first(({ keys }) => (id === undefined ? keys.listKeys() : keys.listKeys(id)))
  }

  async rotateKey(id: string): Promise<Signer> {
    return this.#made(id, await this.#first.rotateKey(id))
  }

  backupKey(id: string, protection: BackupProtection): Promise<EncryptedKeyBackup> {
    return this.#first.backupKey(id, protection)
  }

  async restoreKey(backup: EncryptedKeyBackup, protection: BackupProtection): Promise<Signer> {
    // The copy is used, even if the caller changes its object meanwhile.
    const taken = { ...backup }
    return this.#made(taken.keyId, await this.#first.restoreKey(taken, protection))
  }

  /**
   * Copies the current version of a key from the first manager to those that do not have it.
   *
   * @throws ERR_KEY_NOT_FOUND, ERR_KEY_NOT_EXTRACTABLE; the errors of the other managers
   */
  async replicateKey(id: string, protection: BackupProtection): Promise<void> {
    const own = ownProtection(protection)
    const backup = await this.#first.backupKey(id, own)
    for (const { keys } of this.#backends.all.slice(1)) {
      await keys.restoreKey(backup, own).catch((error: unknown) => {
        if (!isPkiError(error, 'ERR_KEY_EXISTS')) throw error
      })
    }
  }

  /**
   * @throws ERR_KEY_NOT_FOUND if no manager has the key; the failure of any manager that could not be
   * reached, where the key may still exist
   */
  async destroyKey(id: string, version?: number): Promise<void> {
    requireKeyId(id)
    // Version numbers differ between managers: the public key identifies a version.
    const doomed =
      version === undefined
        ? undefined
        : await this.#backends.first(({ keys }) => keys.getSigner(id, version))
    if (version !== undefined && doomed === undefined) throw notFound(id)
    let destroyed = 0
    for (const { keys } of this.#backends.all) {
      const versions = await versionsOf(keys, id, doomed?.publicKey)
      if (doomed === undefined && versions.length > 0) await keys.destroyKey(id)
      else for (const one of versions) await keys.destroyKey(id, one)
      destroyed += versions.length
    }
    for (const name of this.#known.keys()) if (name.startsWith(nameOf(id))) this.#known.delete(name)
    if (destroyed === 0) throw notFound(id)
  }

  /** Closes every manager; the first failure is thrown after all were closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#known.clear()
    const outcomes = await Promise.allSettled(
      this.#backends.all.map(async ({ keys }) => keys[Symbol.asyncDispose]()),
    )
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  #made(id: string, signer: Signer): Signer {
    this.#known.set(nameOf(id), signer.publicKey)
    return this.#wrap(id, signer)
  }

  get #first(): KeyManager {
    return (this.#backends.all[0] as FailoverBackend).keys
  }

  #wrap(id: string, signer: Signer): Signer {
    const found = new Map<FailoverBackend, Signer>()
    return new FailoverSigner(id, signer, async (given, options) => {
      if (!ArrayBuffer.isView(given))
        throw new PkiError('ERR_INVALID_ARGUMENT', `data must be a Uint8Array, found ${kindOf(given)}`)
      // A copy: a manager may sign late, when the caller has changed its buffer.
      const data = Uint8Array.from(new Uint8Array(given.buffer, given.byteOffset, given.byteLength))
      return this.#backends.first(async (backend) => {
        const own = found.get(backend) ?? (await signerWith(backend.keys, id, signer.publicKey))
        found.set(backend, own)
        return own.sign(data, options)
      })
    })
  }
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

/** @throws ERR_KEY_NOT_FOUND if the manager has no version with this public key */
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
  const versions = (await keys.listKeys(id)).filter((info) => info.id === id).map(({ version }) => version)
  if (publicKey === undefined) return versions
  const same: number[] = []
  for (const version of versions)
    if ((await keys.getSigner(id, version))?.publicKey.equals(publicKey) === true) same.push(version)
  return same
}

/** Ids contain no slash, so no two keys of this map are equal. */
function nameOf(id: string, version?: number): string {
  return `${id}/${version ?? ''}`
}

function notFound(id: string): PkiError {
  return new PkiError('ERR_KEY_NOT_FOUND', `no available key manager has this version of the key ${id}`)
}
