// A Signer over a key in a token: one operation per session, and no signature leaves that does not verify, unless its caller checks it.

import { constants, verify } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { keyAlgorithms } from '../../keys/index.ts'
import type { KeyAlgorithm } from '../../keys/index.ts'
import { signatureAlgorithms } from '../../x509/index.ts'
import type { PublicKey, SignOptions, SignatureAlgorithm, Signer } from '../../x509/index.ts'
import { ck } from './cryptoki.ts'
import type { Cryptoki, Handle } from './cryptoki.ts'
import { findObjects } from './key-objects.ts'
import { signingPlan } from './mechanisms.ts'
import type { SigningPlan } from './mechanisms.ts'
import type { TokenConnection } from './token-connection.ts'
import type { TokenSession } from './token.ts'

/** Which key of which token. */
export interface Pkcs11SignerFields {
  readonly id: string
  readonly algorithm: KeyAlgorithm
  readonly publicKey: PublicKey
  readonly objectId: Buffer
  readonly checkSignatures: CheckSignatures
}

/** Who finds out that a token signed wrong: this package, before the signature is let out, or whoever asked for it. */
export type CheckSignatures = 'always' | 'caller'

/** Signs in the token, on a session of the pool; the event loop goes on meanwhile. */
export class Pkcs11Signer implements Signer {
  /** The label of the key in the token. */
  readonly id: string
  /** The public half of the key, read from the token. */
  readonly publicKey: PublicKey
  /** What the key is, and what it signs with. */
  readonly algorithm: KeyAlgorithm
  /** What it signs with, the only one that it ever uses. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #connection: TokenConnection
  readonly #objectId: Buffer
  readonly #checks: boolean
  #plan: SigningPlan | undefined
  /** A handle means something for one connection only. */
  #handle: { readonly handle: Handle; readonly tokenEpoch: number } | undefined

  constructor(
    connection: TokenConnection,
    { id, algorithm, publicKey, objectId, checkSignatures }: Pkcs11SignerFields,
  ) {
    this.id = id
    this.publicKey = publicKey
    this.algorithm = algorithm
    this.signatureAlgorithm = keyAlgorithms[algorithm]
    this.#connection = connection
    this.#objectId = objectId
    this.#checks = checkSignatures !== 'caller'
  }

  /**
   * Waits for a session of the pool, and for the token. A signal ends the first: what the token was asked, it does.
   *
   * @throws ERR_HSM_*, ERR_KEY_NOT_FOUND, ERR_ALGORITHM_UNSUPPORTED, ERR_ABORTED, ERR_CLOSED, ERR_INVALID_ARGUMENT for what are no octets
   */
  sign(given: Uint8Array, { signal }: SignOptions = {}): Promise<Uint8Array> {
    if (!ArrayBuffer.isView(given))
      return Promise.reject(new PkiError('ERR_INVALID_ARGUMENT', 'what is signed is a Uint8Array'))
    // A copy: a session may be free only when the caller has written something else into its buffer.
    const data = Uint8Array.from(new Uint8Array(given.buffer, given.byteOffset, given.byteLength))
    const signature = this.#connection.run(
      (session, cryptoki) => this.#signWith(session, cryptoki, data),
      signal,
    )
    return this.#checks ? this.#checked(data, signature) : signature
  }

  /** Outside the session: the next signature runs in the token while this one is checked on another thread. */
  async #checked(data: Uint8Array, signing: Promise<Uint8Array>): Promise<Uint8Array> {
    const signature = await signing
    if (!(await this.#verifies(data, signature))) {
      throw new PkiError(
        'ERR_HSM_SIGNATURE',
        `the token's signature with key ${this.id} does not verify; it was not let out`,
      )
    }
    return signature
  }

  #signWith(session: TokenSession, cryptoki: Cryptoki, data: Uint8Array): Promise<Uint8Array> {
    const plan = (this.#plan ??= signingPlan(
      this.signatureAlgorithm,
      this.publicKey,
      this.#connection.token.mechanisms,
    ))
    const input = plan.input(data)
    session.input = input // the native thread reads it while script goes on
    try {
      cryptoki.C_SignInit(session.handle, plan.mechanism, this.#handleIn(session, cryptoki))
      // Through the module, which is not finalised while a native thread is in it.
      return this.#connection.token.module
        .start(session.moduleEpoch, (running) =>
          running.C_SignAsync(session.handle, input, Buffer.alloc(plan.rawOctets)),
        )
        .then((raw) => plan.toX509(raw), this.#forget)
    } catch (error) {
      return this.#forget(error)
    }
  }

  /** The handle may be what is wrong: the next try looks the key up again. */
  readonly #forget = (error: unknown): never => {
    this.#handle = undefined
    throw error
  }

  #handleIn(session: TokenSession, cryptoki: Cryptoki): Handle {
    if (this.#handle?.tokenEpoch !== session.tokenEpoch) {
      const found = findObjects(cryptoki, session.handle, [
        { type: ck.CKA_CLASS, value: ck.CKO_PRIVATE_KEY },
        { type: ck.CKA_ID, value: this.#objectId },
      ])
      const [handle] = found
      if (handle === undefined)
        throw new PkiError('ERR_KEY_NOT_FOUND', `key ${this.id} is no longer in the token`)
      if (found.length > 1)
        throw new PkiError(
          'ERR_HSM_KEY_AMBIGUOUS',
          `${found.length} private keys in the token have the CKA_ID of ${this.id}`,
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
