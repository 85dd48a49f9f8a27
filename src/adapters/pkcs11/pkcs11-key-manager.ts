// Keys in a PKCS#11 token: made there, used there, never seen outside.

import { randomInt } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { keyExists, keyNotFound, requireKeyAlgorithm, requireKeyId } from '../../keys/index.ts'
import type {
  BackupProtection,
  EncryptedKeyBackup,
  KeyAlgorithm,
  KeyInfo,
  KeyManager,
} from '../../keys/index.ts'
import { noMetrics, silentLogger, systemClock } from '../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import type { PublicKey } from '../../x509/index.ts'
import { ck } from './cryptoki.ts'
import type { Cryptoki, Handle } from './cryptoki.ts'
import {
  algorithmOf,
  checkProtection,
  encodeTag,
  findObjects,
  findPrivateKeys,
  findPublicVersions,
  keyPairTemplates,
  readPublicKey,
  unlessGone,
} from './key-objects.ts'
import type { KeyObject, KeyTag } from './key-objects.ts'
import { Pkcs11Module } from './pkcs11-module.ts'
import { Pkcs11Signer } from './pkcs11-signer.ts'
import type { CheckSignatures } from './pkcs11-signer.ts'
import type { SessionPoolCounts } from './session-pool.ts'
import { TokenConnection } from './token-connection.ts'
import type { TokenHealth } from './token-connection.ts'
import { Token } from './token.ts'
import type { PinSource, TokenSelector, TokenSession } from './token.ts'

/** Options of `Pkcs11KeyManager.open`. */
export interface Pkcs11KeyManagerOptions {
  /** The vendor's library: its path, or one that other tokens of this process share. */
  readonly module: string | Pkcs11Module
  /** By label, serial number or both; exactly one token has to match. */
  readonly token: TokenSelector
  /** Asked at each login; a PIN that the token refused is never sent again. */
  readonly pin: PinSource
  /** Operations at a time. Default 8. */
  readonly sessions?: number | undefined
  /** Operations that may wait for a session. Default 4,096. */
  readonly queueLimit?: number | undefined
  /** For a session, and again for the token's answer; twelve times as long, and 120,000 at least, for the making of a key. Default 10,000. */
  readonly timeoutMs?: number | undefined
  /** Failures in a row after which calls fail at once, until the token is back. Default 5. */
  readonly failureThreshold?: number | undefined
  /** Whether to log in when one more wrong PIN would lock the token. Default false. */
  readonly useFinalPinTry?: boolean | undefined
  /**
   * `always`: each signature is verified before it is let out, which costs as much as a signature of a software token.
   * `caller`: only its form is checked, and whoever asked for it verifies it. A `CertificateAuthority` of this package does, with each
   * certificate, so nothing is lost where such CAs are all that signs with these keys. Default `always`.
   */
  readonly checkSignatures?: CheckSignatures | undefined
  /** Times waiting, and the breaker. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Told of lost and refound tokens, refused PINs and keys that are not taken. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `hsm_failures_total{class}` and `hsm_reconnects_total`. Default: none. */
  readonly metrics?: Metrics | undefined
}

/** A `KeyManager` over one token. Keys are found by label; those made here carry version and algorithm in their CKA_ID. */
export class Pkcs11KeyManager implements KeyManager {
  readonly #connection: TokenConnection
  readonly #clock: Clock
  readonly #ownModule: Pkcs11Module | undefined
  readonly #checkSignatures: CheckSignatures

  private constructor(
    connection: TokenConnection,
    options: Pkcs11KeyManagerOptions,
    ownModule: Pkcs11Module | undefined,
  ) {
    const { clock = systemClock, checkSignatures = 'always' } = options
    this.#connection = connection
    this.#clock = clock
    this.#checkSignatures = checkSignatures
    this.#ownModule = ownModule
  }

  /**
   * Connects and logs in, so that a wrong label or PIN shows here.
   *
   * @throws ERR_PKCS11_MODULE_NOT_INSTALLED, ERR_PKCS11_LIBRARY, ERR_HSM_TOKEN_NOT_FOUND, ERR_HSM_PIN, ERR_HSM_UNAVAILABLE, ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * const module = '/usr/lib/softhsm/libsofthsm2.so'
   * await using manager = await Pkcs11KeyManager.open({ module, token: { label: 'ca' }, pin: () => readPassphrase() })
   * const issuing = (await manager.getSigner('issuing')) ?? (await manager.generateKey('issuing', 'P-256'))
   * ```
   */
  static async open(options: Pkcs11KeyManagerOptions): Promise<Pkcs11KeyManager> {
    const {
      module: library,
      token: selector,
      pin,
    } = (options as Partial<Pkcs11KeyManagerOptions> | undefined) ?? {}
    if (typeof library !== 'string' && !(library instanceof Pkcs11Module)) {
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        "module is the path of the vendor's library, or a Pkcs11Module",
      )
    }
    if (selector?.label === undefined && selector?.serialNumber === undefined) {
      throw new PkiError('ERR_INVALID_ARGUMENT', 'token is chosen by its label or its serialNumber')
    }
    if (typeof pin !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'pin is a function that answers with it')
    checkLimits(options)
    const { sessions = 8, queueLimit = 4096, timeoutMs = 10_000, failureThreshold = 5 } = options
    const { clock = systemClock, logger = silentLogger, metrics = noMetrics } = options
    const ownModule =
      typeof options.module === 'string' ? await Pkcs11Module.load(options.module, { clock }) : undefined
    const module = ownModule ?? (options.module as Pkcs11Module)
    const token = new Token(module, {
      selector: options.token,
      pin: options.pin,
      useFinalPinTry: options.useFinalPinTry === true,
      logger,
    })
    const connection = new TokenConnection(token, {
      sessions,
      queueLimit,
      timeoutMs,
      failureThreshold,
      clock,
      logger,
      metrics,
    })
    try {
      await connection.start()
    } catch (error) {
      await connection.close()
      await ownModule?.close()
      throw error
    }
    return new Pkcs11KeyManager(connection, options, ownModule)
  }

  /** Whether the token answers, and since when not. */
  get health(): TokenHealth {
    return this.#connection.health
  }

  /** Sessions of the pool: open, in use, and calls that wait for one. */
  get sessions(): SessionPoolCounts {
    return this.#connection.counts
  }

  /** Says that the PIN source has another PIN now, after ERR_HSM_PIN. */
  allowLogin(): Promise<void> {
    return this.#connection.allowLogin()
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<Pkcs11Signer> {
    requireKeyAlgorithm(algorithm)
    requireKeyId(id)
    return this.#make(id, algorithm, (versions) => {
      if (versions.length > 0) throw exists(id)
      return 1
    })
  }

  async getSigner(id: string, version?: number): Promise<Pkcs11Signer | undefined> {
    const versions = await this.#versions(id)
    const found =
      version === undefined ? versions.at(-1) : versions.find((object) => versionOf(object) === version)
    return found === undefined ? undefined : this.#signer(id, found)
  }

  /**
   * The signer of a key that somebody else made, by its CKA_ID; by its label, `getSigner` finds it.
   *
   * @throws ERR_KEY_NOT_FOUND, ERR_HSM_KEY_AMBIGUOUS for more than one private key of this id, ERR_HSM_KEY_PROTECTION, ERR_INVALID_ARGUMENT for an
   * id that is none or empty
   */
  async signerOf(objectId: Uint8Array): Promise<Pkcs11Signer> {
    if (!(objectId instanceof Uint8Array) || objectId.length === 0)
      throw new PkiError('ERR_INVALID_ARGUMENT', 'a CKA_ID is one octet or more')
    const value = Buffer.from(objectId)
    const found = await this.#connection.run(async ({ handle }, cryptoki) =>
      findPrivateKeys(cryptoki, handle, [{ type: ck.CKA_ID, value }]),
    )
    const [object] = found
    const shown = value.toString('hex')
    if (object === undefined)
      throw new PkiError('ERR_KEY_NOT_FOUND', `no private key in the token has the CKA_ID ${shown}`)
    if (found.length > 1)
      throw new PkiError(
        'ERR_HSM_KEY_AMBIGUOUS',
        `${found.length} private keys in the token have the CKA_ID ${shown}`,
      )
    return this.#signer(object.label === '' ? shown : object.label, object)
  }

  async listKeys(): Promise<readonly KeyInfo[]> {
    const objects = await this.#connection.run(async ({ handle }, cryptoki) =>
      findPrivateKeys(cryptoki, handle, []),
    )
    const made = objects.flatMap((object) =>
      object.tag === undefined ? [] : [{ id: object.label, ...object.tag }],
    )
    const newest = new Map<string, number>()
    for (const { id, version } of made) newest.set(id, Math.max(version, newest.get(id) ?? 0))
    return made
      .map(({ id, version, algorithm, created }) => ({
        id,
        version,
        algorithm,
        created,
        current: newest.get(id) === version,
      }))
      .sort((a, b) => (a.id === b.id ? a.version - b.version : a.id < b.id ? -1 : 1))
  }

  async rotateKey(id: string): Promise<Pkcs11Signer> {
    const current = (await this.#versions(id)).at(-1)
    if (current === undefined) throw notFound(id)
    const algorithm = current.tag?.algorithm ?? (await this.#signer(id, current)).algorithm
    return this.#make(
      id,
      algorithm,
      (versions, publicVersions) => Math.max(0, ...versions, ...publicVersions) + 1,
    )
  }

  async backupKey(id: string, _protection: BackupProtection): Promise<EncryptedKeyBackup> {
    if ((await this.#versions(id)).length === 0) throw notFound(id)
    throw new PkiError(
      'ERR_KEY_NOT_EXTRACTABLE',
      `key ${id} never leaves its token; back it up by the token's own means`,
    )
  }

  async restoreKey(_backup: EncryptedKeyBackup, _protection: BackupProtection): Promise<Pkcs11Signer> {
    if (this.health === 'closed') throw new PkiError('ERR_CLOSED', 'the token was closed')
    throw new PkiError('ERR_KEY_NOT_EXTRACTABLE', 'a key that was outside of this token is not brought in')
  }

  async destroyKey(id: string, version?: number): Promise<void> {
    requireKeyId(id)
    // Several of one version go together: this is the way out where they stand in each other's way.
    const versions = await this.#objects(id)
    const doomed =
      version === undefined ? versions : versions.filter((object) => versionOf(object) === version)
    if (doomed.length === 0) throw notFound(id, version)
    const whole = doomed.length === versions.length
    await this.#connection.write(async ({ handle: session }, cryptoki) => {
      const published = findPublicVersions(cryptoki, session, id)
      const newest = Math.max(0, ...published.map((one) => one.version))
      for (const object of doomed) {
        // The public key of the newest version stays while the key does: it keeps the number from being given again.
        if (!whole && object.tag?.version === newest) cryptoki.C_DestroyObject(session, object.handle)
        else destroyPair(cryptoki, session, object.objectId)
      }
      if (whole)
        for (const { handle } of findPublicVersions(cryptoki, session, id))
          cryptoki.C_DestroyObject(session, handle)
    })
  }

  /** Ends the sessions, logs out, and finalises the library where this manager loaded it; later calls are ERR_CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
    await this.#ownModule?.close()
  }

  /** Every version of a key, oldest first; a key that somebody else made has one. @throws ERR_HSM_KEY_AMBIGUOUS */
  async #versions(id: string): Promise<readonly KeyObject[]> {
    requireKeyId(id)
    for (let attempt = 1; ; attempt++) {
      const ordered = await this.#objects(id)
      const twin = ordered.find(
        (object, at) => at > 0 && versionOf(object) === versionOf(ordered[at - 1] as KeyObject),
      )
      if (twin === undefined) return ordered
      // Two processes that made the same version both give way within moments; what somebody else put there stays.
      if (twin.tag === undefined || attempt === maxAttempts) {
        throw new PkiError(
          'ERR_HSM_KEY_AMBIGUOUS',
          `several private keys in the token are version ${versionOf(twin)} of ${id}`,
        )
      }
      await this.#wait(attempt)
    }
  }

  #signer(id: string, object: KeyObject): Promise<Pkcs11Signer> {
    return this.#connection.run(async ({ handle: session }, cryptoki) => {
      const publicKey = unlessGone(() => {
        checkProtection(cryptoki, session, object.handle, object.tag !== undefined)
        return readPublicKey(cryptoki, session, object.objectId)
      })
      if (publicKey === undefined) throw notFound(id, object.tag?.version)
      return this.#signerWith(id, object, publicKey)
    })
  }

  #signerWith(
    id: string,
    { objectId, tag }: Pick<KeyObject, 'objectId' | 'tag'>,
    publicKey: PublicKey,
  ): Pkcs11Signer {
    return new Pkcs11Signer(this.#connection, {
      id,
      algorithm: algorithmOf(tag, publicKey),
      publicKey,
      objectId,
      checkSignatures: this.#checkSignatures,
    })
  }

  /** Makes a version; which one, is asked when no other write of this process is on its way. */
  async #make(
    id: string,
    algorithm: KeyAlgorithm,
    choose: (versions: readonly number[], publicVersions: readonly number[]) => number,
  ): Promise<Pkcs11Signer> {
    for (let attempt = 1; ; attempt++) {
      const signer = await this.#connection.write(async (session, cryptoki) => {
        const { handle } = session
        const versions = findPrivateKeys(cryptoki, handle, [{ type: ck.CKA_LABEL, value: id }]).map(versionOf)
        const version = choose(
          versions,
          findPublicVersions(cryptoki, handle, id).map((one) => one.version),
        )
        return this.#generate(session, cryptoki, id, {
          version,
          created: new Date(this.#clock.now()),
          algorithm,
        })
      })
      if (signer !== undefined) return signer
      if (attempt === maxAttempts) throw exists(id)
      await this.#wait(attempt)
    }
  }

  /** Every private key of this label, in the order of versions. */
  async #objects(id: string): Promise<readonly KeyObject[]> {
    const found = await this.#connection.run(async ({ handle }, cryptoki) =>
      findPrivateKeys(cryptoki, handle, [{ type: ck.CKA_LABEL, value: id }]),
    )
    return [...found].sort((a, b) => versionOf(a) - versionOf(b))
  }

  /** For another process to finish; of two that gave way, not both come back at the same moment. */
  #wait(attempt: number): Promise<void> {
    return new Promise<void>((resolve) =>
      this.#clock.schedule(resolve, 1 + randomInt(5 * 2 ** attempt), { keepAlive: true }),
    )
  }

  /** Undefined where another process made the same version meanwhile: whoever sees the other gives way, so never do both stay. */
  async #generate(
    { handle: session, moduleEpoch }: TokenSession,
    cryptoki: Cryptoki,
    id: string,
    tag: KeyTag,
  ): Promise<Pkcs11Signer | undefined> {
    const objectId = encodeTag(tag)
    const { algorithm, version } = tag
    const { mechanism, publicTemplate, privateTemplate } = keyPairTemplates(algorithm, id, objectId)
    const { module } = this.#connection.token
    const { privateKey } = await module.start(moduleEpoch, (running) =>
      running.C_GenerateKeyPairAsync(session, { mechanism }, publicTemplate, privateTemplate),
    )
    try {
      checkProtection(cryptoki, session, privateKey, true)
      const named = findPrivateKeys(cryptoki, session, [{ type: ck.CKA_LABEL, value: id }])
      const rivals = named.filter((one) => versionOf(one) === version && !one.objectId.equals(objectId))
      const publicKey = readPublicKey(cryptoki, session, objectId)
      // What was made is what was asked for: not a shorter modulus, not another curve.
      if (rivals.length === 0) return this.#signerWith(id, { objectId, tag }, publicKey)
    } catch (error) {
      destroyPair(cryptoki, session, objectId)
      throw error
    }
    destroyPair(cryptoki, session, objectId)
    return undefined
  }
}

/** @throws ERR_INVALID_ARGUMENT */
function checkLimits({
  sessions,
  queueLimit,
  timeoutMs,
  failureThreshold,
  checkSignatures = 'always',
}: Pkcs11KeyManagerOptions): void {
  checkCounts({ sessions, failureThreshold }, 1)
  checkCounts({ queueLimit }, 0)
  checkMeasures({ timeoutMs }, 1)
  // A word that is neither must not be taken for the one that checks nothing.
  if (!['always', 'caller'].includes(checkSignatures))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'checkSignatures is always or caller')
}

/** Both objects of a key pair, the private one first: where that is all that is done, no key is left that cannot be used. */
function destroyPair(cryptoki: Cryptoki, session: Handle, objectId: Buffer): void {
  for (const objectClass of [ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY]) {
    const template = [
      { type: ck.CKA_CLASS, value: objectClass },
      { type: ck.CKA_ID, value: objectId },
    ]
    for (const handle of findObjects(cryptoki, session, template))
      unlessGone(() => cryptoki.C_DestroyObject(session, handle))
  }
}

function versionOf({ tag }: KeyObject): number {
  return tag?.version ?? 1
}

function exists(id: string): PkiError {
  return keyExists(id, ' in the token')
}

function notFound(id: string, version?: number): PkiError {
  return keyNotFound(id, version, ' in the token')
}

/** How often a version is tried whose number other processes take at the same time. */
const maxAttempts = 8
