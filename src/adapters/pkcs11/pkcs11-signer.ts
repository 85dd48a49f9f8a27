// A Signer over a key in a token, which by default verifies each signature before returning it.

import { constants, verify } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { keyAlgorithms } from '../../keys/internal.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import { signatureAlgorithms } from '../../x509/internal.ts'
import type { PublicKey, SignatureAlgorithm, Signer } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import { ck } from './cryptoki/cryptoki.ts'
import type { Cryptoki, Handle } from './cryptoki/cryptoki.ts'
import { findCounterparts } from './objects/key-objects.ts'
import type { ObjectName } from './objects/key-name.ts'
import { signingPlan } from './mechanisms.ts'
import type { SigningPlan } from './mechanisms.ts'
import type { TokenConnection } from './token/token-connection.ts'
import type { TokenSession } from './token/token.ts'
import { nameOf } from '../../internal/values/name-of.ts'

/** The key and its token. @inline */
export interface Pkcs11SignerFields {
  readonly id: string
  readonly algorithm: KeyAlgorithm
  readonly publicKey: PublicKey
  /** CKA_LABEL and CKA_ID of the private key. */
  readonly name: ObjectName
  /** Whether each signature needs its own login (CKA_ALWAYS_AUTHENTICATE). */
  readonly contextLogin: boolean
  readonly checkSignatures: CheckSignatures
}

/**
 * Which side verifies the signatures of a token: this package before returning them, or the caller. @inline
 */
export type CheckSignatures = 'always' | 'caller'

/** Signs in the token, on a session of the pool, without blocking the event loop. */
export class Pkcs11Signer implements Signer {
  /** The label of the key in the token. */
  readonly id: string
  /** The public half of the key, read from the token. */
  readonly publicKey: PublicKey
  /** The algorithm of the key, which also determines its signature algorithm. */
  readonly algorithm: KeyAlgorithm
  /** The only signature algorithm of this signer. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #connection: TokenConnection
  readonly #name: ObjectName
  readonly #key: string
  readonly #contextLogin: boolean
  readonly #checks: boolean
  #plan: SigningPlan | undefined
  /** A handle is valid for one connection only. */
  #handle: { readonly handle: Handle; readonly tokenEpoch: number } | undefined

  constructor(
    connection: TokenConnection,
    { id, algorithm, publicKey, name, contextLogin, checkSignatures }: Pkcs11SignerFields,
  ) {
    this.id = id
    this.publicKey = publicKey
    this.algorithm = algorithm
    this.signatureAlgorithm = keyAlgorithms[algorithm]
    this.#connection = connection
    this.#name = name
    this.#key = `${name.objectId.toString('hex')}/${name.label}`
    this.#contextLogin = contextLogin
    this.#checks = checkSignatures !== 'caller'
  }

  /**
   * Waits for a session of the pool, and for the token. A signal ends the wait
   * for a session; an operation in the token is not interrupted.
   *
   * @throws ERR_HSM_*, ERR_KEY_NOT_FOUND, ERR_ALGORITHM_UNSUPPORTED, ERR_ABORTED, ERR_CLOSED,
   *   ERR_INVALID_ARGUMENT for data that is not octets
   */
  sign(given: Uint8Array, { signal }: SignOptions = {}): Promise<Uint8Array> {
    if (!ArrayBuffer.isView(given))
      return Promise.reject(
        new PkiError('ERR_INVALID_ARGUMENT', `the data to sign must be a Uint8Array, found ${nameOf(given)}`),
      )
    // A copy: the caller may change its buffer before a session is free.
    const data = Uint8Array.from(new Uint8Array(given.buffer, given.byteOffset, given.byteLength))
    const signature = this.#connection.run((session, cryptoki) => this.#signWith(session, cryptoki, data), {
      signal,
      key: this.#key,
      id: this.id,
    })
    return this.#checks ? this.#checked(data, signature) : signature
  }

  /**
   * Outside the session: the token can create the next signature while this
   * one is verified on another thread.
   */
  async #checked(data: Uint8Array, signing: Promise<Uint8Array>): Promise<Uint8Array> {
    const signature = await signing
    if (!(await this.#verifies(data, signature))) {
      throw new PkiError(
        'ERR_HSM_SIGNATURE',
        `token ${JSON.stringify(this.#connection.token.label)}, key ${JSON.stringify(this.id)}: the ` +
          'signature does not verify with the public key, and was discarded: the public object or ' +
          'certificate with the CKA_ID of the key, or the given publicKey, may be of another key',
      )
    }
    return signature
  }

  async #signWith(session: TokenSession, cryptoki: Cryptoki, data: Uint8Array): Promise<Uint8Array> {
    const { token } = this.#connection
    const plan = (this.#plan ??= signingPlan(this.signatureAlgorithm, this.publicKey, token.mechanisms))
    const input = plan.input(data)
    session.input = input // a native thread reads it concurrently
    const pin = this.#contextLogin ? await token.requestPin() : undefined
    try {
      cryptoki.C_SignInit(session.handle, plan.mechanism, this.#handleIn(session, cryptoki))
      if (pin !== undefined) token.logInForOperation(session, pin)
      // Through the module, which is not finalised while a native thread runs in it.
      const raw = await token.module.start(session.moduleEpoch, (running) =>
        running.C_SignAsync(session.handle, input, Buffer.alloc(plan.rawOctets)),
      )
      return plan.toX509(raw)
    } catch (error) {
      // The handle may be the cause: the next attempt looks the key up again.
      this.#handle = undefined
      throw error
    } finally {
      pin?.fill(0)
    }
  }

  #handleIn(session: TokenSession, cryptoki: Cryptoki): Handle {
    if (this.#handle?.tokenEpoch !== session.tokenEpoch) {
      const found = findCounterparts(cryptoki, session.handle, ck.CKO_PRIVATE_KEY, this.#name)
      const [handle] = found
      if (handle === undefined)
        throw new PkiError('ERR_KEY_NOT_FOUND', `key ${this.id} is no longer in the token`)
      if (found.length > 1)
        throw new PkiError(
          'ERR_HSM_KEY_AMBIGUOUS',
          `${found.length} private keys in the token have the CKA_ID and CKA_LABEL of ${this.id}`,
        )
      this.#handle = { handle, tokenEpoch: session.tokenEpoch }
    }
    return this.#handle.handle
  }

  #verifies(data: Uint8Array, signature: Uint8Array): Promise<boolean> {
    const { hash, saltLength } = signatureAlgorithms[this.signatureAlgorithm]
    const key = this.publicKey.keyObject()
    const input =
      saltLength === undefined ? key : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    return new Promise((resolve) => {
      verify(hash, data, input, signature, (error, holds) => resolve(error === null && holds))
    })
  }
}
