// A KeyManager over a PKCS#11 token: keys are generated and used in it, and never exported.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { keyNotFound, requireKeyAlgorithm, requireKeyId } from '../../keys/internal.ts'
import type {
  BackupProtection,
  EncryptedKeyBackup,
  KeyAlgorithm,
  KeyInfo,
  KeyManager,
} from '../../keys/index.ts'
import { PublicKey } from '../../x509/index.ts'
import type { PublicKeyInput } from '../../x509/internal.ts'
import { Pkcs11Module } from './cryptoki/pkcs11-module.ts'
import { inToken } from './cryptoki/return-value.ts'
import { findKeys, requireLabel } from './find-keys.ts'
import type { KeySelector } from './find-keys.ts'
import type { GeneratedKeyPair } from './generate-key-pair.ts'
import { KeyVersions, keyExistsInToken } from './key-versions.ts'
import type { TakenVersions } from './key-versions.ts'
import {
  destroy,
  destroyPair,
  findPublicVersions,
  listPrivateKeys,
  unlessGone,
  versionOf,
} from './objects/key-objects.ts'
import type { TokenObject } from './objects/key-objects.ts'
import { checkProtection, needsContextLogin } from './objects/key-protection.ts'
import { algorithmOf, readPublicKey, requireMatchingKey } from './objects/public-key-of.ts'
import { readPkcs11Options } from './pkcs11-options.ts'
import type { Pkcs11KeyManagerOptions, ReadPkcs11Options } from './pkcs11-options.ts'
import { Pkcs11Signer } from './pkcs11-signer.ts'
import type { CheckSignatures } from './pkcs11-signer.ts'
import type { SessionPoolCounts } from './token/session-pool.ts'
import { TokenConnection, longTimeoutMs } from './token/token-connection.ts'
import type { TokenHealth } from './token/token-connection.ts'
import { Token } from './token/token.ts'

export type { KeySelector } from './find-keys.ts'

/** The public half of a key, if the token has only the private half. @inline */
export interface PublicKeyOption {
  /**
   * For example `certificate.publicKey` of the CA certificate. Each signature is verified with it, for every
   * value of `checkSignatures`.
   */
  readonly publicKey?: PublicKeyInput | undefined
}

/**
 * A `KeyManager` over one token. A key generated here has its id as CKA_LABEL, and version, algorithm and
 * time in CKA_ID; on a token whose CKA_ID has two octets they are in CKA_LABEL.
 */
export class Pkcs11KeyManager implements KeyManager {
  readonly #connection: TokenConnection
  readonly #versions: KeyVersions
  readonly #ownModule: Pkcs11Module | undefined
  readonly #checkSignatures: CheckSignatures

  private constructor(
    connection: TokenConnection,
    options: ReadPkcs11Options,
    ownModule: Pkcs11Module | undefined,
  ) {
    this.#connection = connection
    const { clock, logger } = options.connection
    this.#versions = new KeyVersions(connection, clock, logger)
    this.#checkSignatures = options.checkSignatures
    this.#ownModule = ownModule
  }

  /**
   * Connects and logs in, so that a wrong label or PIN fails here.
   *
   * @throws ERR_PKCS11_MODULE_NOT_INSTALLED, ERR_PKCS11_LIBRARY, ERR_HSM_TOKEN_NOT_FOUND, ERR_HSM_PIN,
   *   ERR_HSM_UNAVAILABLE, ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * const module = '/usr/lib/softhsm/libsofthsm2.so'
   * const token = { label: 'ca' }
   * await using manager = await Pkcs11KeyManager.open({ module, token, pin: () => readPassphrase() })
   * const issuing = (await manager.getSigner('issuing')) ?? (await manager.generateKey('issuing', 'P-256'))
   * ```
   */
  static async open(options: Pkcs11KeyManagerOptions): Promise<Pkcs11KeyManager> {
    const read = readPkcs11Options(options)
    const { library, selector, pin, useFinalPinTry, connection: limits } = read
    const { clock, logger } = limits
    const pinTimeoutMs = longTimeoutMs(limits.timeoutMs)
    const ownModule = typeof library === 'string' ? await Pkcs11Module.load(library, { clock }) : undefined
    const module = ownModule ?? (library as Pkcs11Module)
    const connection = new TokenConnection(
      new Token(module, { selector, pin, pinTimeoutMs, useFinalPinTry, clock, logger }),
      limits,
    )
    try {
      await connection.start()
    } catch (error) {
      await connection.close()
      await ownModule?.close()
      throw error
    }
    return new Pkcs11KeyManager(connection, read, ownModule)
  }

  /** Whether the token answers, and the reason if not. */
  get health(): TokenHealth {
    return this.#connection.health
  }

  /** Sessions of the pool: open, in use, and calls that wait for one. */
  get sessions(): SessionPoolCounts {
    return this.#connection.counts
  }

  /** Allows the PIN source to be called again after ERR_HSM_PIN. @throws ERR_HSM_PIN, ERR_HSM_UNAVAILABLE */
  allowLogin(): Promise<void> {
    return this.#connection.allowLogin()
  }

  async generateKey(id: string, algorithm: KeyAlgorithm): Promise<Pkcs11Signer> {
    requireKeyAlgorithm(algorithm)
    requireKeyId(id)
    const made = await this.#versions.make(id, algorithm, ({ versions }) => {
      if (versions.length > 0) throw keyExistsInToken(id)
      return 1
    })
    return this.#signerOfMade(id, made)
  }

  /**
   * The signer of the current version, or of the given one. Finds keys of
   * other programs by CKA_LABEL, which may contain blanks.
   *
   * @throws ERR_KEY_NOT_FOUND for a private key whose public half the token does not have;
   *   ERR_HSM_KEY_AMBIGUOUS, ERR_HSM_KEY_PROTECTION
   */
  async getSigner(
    id: string,
    version?: number,
    options: PublicKeyOption = {},
  ): Promise<Pkcs11Signer | undefined> {
    const publicKey = readPublicKeyOption('getSigner', options)
    const versions = await this.#versions.of(requireLabel(id))
    const found =
      version === undefined ? versions.at(-1) : versions.find((object) => versionOf(object) === version)
    return found === undefined ? undefined : this.#signer(id, found, publicKey)
  }

  /**
   * The signer of a key of another program, by its CKA_ID, its CKA_LABEL, or both.
   *
   * @throws ERR_KEY_NOT_FOUND; ERR_HSM_KEY_AMBIGUOUS if several private keys
   *   match; ERR_HSM_KEY_PROTECTION; ERR_INVALID_ARGUMENT
   */
  async signerOf(key: Uint8Array | KeySelector, options: PublicKeyOption = {}): Promise<Pkcs11Signer> {
    const publicKey = readPublicKeyOption('signerOf', options)
    const { find, shown } = findKeys(key)
    const found = await this.#connection.run(async ({ handle }, cryptoki) => find(cryptoki, handle))
    const [object] = found
    const { label } = this.#connection.token
    if (object === undefined)
      throw inToken(new PkiError('ERR_KEY_NOT_FOUND', `no private key in the token has ${shown}`), label)
    if (found.length > 1) {
      const what = `${found.length} private keys in the token have ${shown}; expected one`
      throw inToken(new PkiError('ERR_HSM_KEY_AMBIGUOUS', what), label)
    }
    return this.#signer(object.label === '' ? object.objectId.toString('hex') : object.id, object, publicKey)
  }

  async listKeys(id?: string): Promise<readonly KeyInfo[]> {
    if (id !== undefined) requireKeyId(id)
    const objects = await this.#connection.run(async ({ handle }, cryptoki) =>
      listPrivateKeys(cryptoki, handle),
    )
    const made = objects.flatMap((object) =>
      object.tag === undefined || (id !== undefined && object.id !== id)
        ? []
        : [{ id: object.id, ...object.tag }],
    )
    const newest = new Map<string, number>()
    for (const { id, version } of made) newest.set(id, Math.max(version, newest.get(id) ?? 0))
    return made
      .map((key) => ({ ...key, current: newest.get(key.id) === key.version }))
      .sort((a, b) => (a.id === b.id ? a.version - b.version : a.id < b.id ? -1 : 1))
  }

  async rotateKey(id: string): Promise<Pkcs11Signer> {
    const current = (await this.#versions.of(requireKeyId(id))).at(-1)
    if (current === undefined) throw this.#notFound(id)
    const algorithm = current.tag?.algorithm ?? (await this.#signer(id, current, undefined)).algorithm
    const next = ({ versions, published }: TakenVersions): number =>
      Math.max(0, ...versions, ...published) + 1
    return this.#signerOfMade(id, await this.#versions.make(id, algorithm, next))
  }

  async backupKey(id: string, _protection: BackupProtection): Promise<EncryptedKeyBackup> {
    if ((await this.#versions.of(requireKeyId(id))).length === 0) throw this.#notFound(id)
    throw new PkiError(
      'ERR_KEY_NOT_EXTRACTABLE',
      `the key ${id} cannot be exported from its token; use the backup of the token`,
    )
  }

  async restoreKey(_backup: EncryptedKeyBackup, _protection: BackupProtection): Promise<Pkcs11Signer> {
    if (this.health === 'closed') throw new PkiError('ERR_CLOSED', 'the key manager was closed')
    throw new PkiError('ERR_KEY_NOT_EXTRACTABLE', 'a token does not import keys that existed outside of it')
  }

  async destroyKey(id: string, version?: number): Promise<void> {
    requireKeyId(id)
    // All keys of an ambiguous version are destroyed, which resolves the ambiguity.
    const versions = await this.#versions.objects(id)
    const doomed =
      version === undefined ? versions : versions.filter((object) => versionOf(object) === version)
    if (doomed.length === 0) throw this.#notFound(id, version)
    const whole = doomed.length === versions.length
    await this.#connection.write(async ({ handle: session }, cryptoki) => {
      const newest = Math.max(0, ...findPublicVersions(cryptoki, session, id).map(versionOf))
      for (const object of doomed) {
        // The public key of the newest version stays as long as the key, to reserve its number.
        if (!whole && object.tag?.version === newest) destroy(cryptoki, session, object.handle)
        else destroyPair(cryptoki, session, object)
      }
      if (!whole) return
      for (const { handle } of findPublicVersions(cryptoki, session, id)) destroy(cryptoki, session, handle)
    }, id)
  }

  /**
   * Closes the sessions, logs out, and finalises the library if this manager
   * loaded it; later calls throw ERR_CLOSED.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
    await this.#ownModule?.close()
  }

  #notFound(id: string, version?: number): PkiError {
    return inToken(keyNotFound(id, version, ' in the token'), this.#connection.token.label)
  }

  #signer(id: string, object: TokenObject, given: PublicKey | undefined): Promise<Pkcs11Signer> {
    return this.#connection.run(
      async ({ handle: session }, cryptoki) => {
        const found = unlessGone(() => {
          checkProtection(cryptoki, session, object.handle, object.tag !== undefined)
          const contextLogin = needsContextLogin(cryptoki, session, object.handle)
          if (given !== undefined) requireMatchingKey(cryptoki, session, object, given)
          return { contextLogin, publicKey: given ?? readPublicKey(cryptoki, session, object) }
        })
        if (found === undefined) throw this.#notFound(id, object.tag?.version)
        const checkSignatures = given === undefined ? this.#checkSignatures : 'always'
        return this.#signerWith(id, object, { ...found, checkSignatures })
      },
      { id },
    )
  }

  #signerOfMade(id: string, { key, publicKey }: GeneratedKeyPair): Pkcs11Signer {
    const checkSignatures = this.#checkSignatures
    return this.#signerWith(id, key, { publicKey, contextLogin: false, checkSignatures })
  }

  #signerWith(
    id: string,
    { label, objectId, tag }: TokenObject,
    fields: {
      readonly publicKey: PublicKey
      readonly contextLogin: boolean
      readonly checkSignatures: CheckSignatures
    },
  ): Pkcs11Signer {
    const algorithm = algorithmOf(tag, fields.publicKey)
    return new Pkcs11Signer(this.#connection, { id, algorithm, name: { label, objectId }, ...fields })
  }
}

function readPublicKeyOption(method: string, options: PublicKeyOption): PublicKey | undefined {
  const { publicKey } = readOptions<PublicKeyOption>(`Pkcs11KeyManager.${method}`, options, {
    publicKey: 'optional',
  })
  return publicKey === undefined ? undefined : PublicKey.from(publicKey)
}
