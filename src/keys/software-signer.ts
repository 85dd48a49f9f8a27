// A Signer over a private key in this process.

import { constants, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { PublicKey, signatureAlgorithms } from '../x509/index.ts'
import type { SignatureAlgorithm, Signer } from '../x509/index.ts'
import { generatePrivateKey, keyAlgorithmOf, keyAlgorithms } from './key-algorithm.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'

/** Options of `SoftwareSigner`. */
export interface SoftwareSignerOptions {
  readonly id?: string | undefined
  /** Sign by RSASSA-PSS; RSA keys only. */
  readonly pss?: boolean | undefined
}

/**
 * Signs with a `KeyObject`. EC P-256 and Ed25519 answer at once, for they take microseconds; all others sign on the thread pool, so that
 * nothing holds the event loop for longer than the smallest signature.
 */
export class SoftwareSigner implements Signer {
  readonly id: string
  readonly publicKey: PublicKey
  readonly algorithm: KeyAlgorithm
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #privateKey: KeyObject
  readonly #hash: string | undefined
  readonly #input: KeyObject | SignKeyObjectInput
  readonly #immediate: boolean

  /** @throws ERR_INVALID_ARGUMENT, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED */
  constructor(privateKey: KeyObject, options: SoftwareSignerOptions = {}) {
    if (privateKey.type !== 'private') throw new PkiError('ERR_INVALID_ARGUMENT', `a ${privateKey.type} key where a private one is wanted`)
    this.publicKey = PublicKey.from(privateKey)
    this.algorithm = keyAlgorithmOf(this.publicKey, options)
    this.id = options.id ?? `software:${Buffer.from(this.publicKey.keyIdentifier).toString('hex')}`
    this.signatureAlgorithm = keyAlgorithms[this.algorithm]
    const { hash, saltLength } = signatureAlgorithms[this.signatureAlgorithm]
    this.#privateKey = privateKey
    this.#hash = hash
    this.#input = saltLength === undefined ? privateKey : { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    this.#immediate = this.algorithm === 'P-256' || this.algorithm === 'Ed25519'
  }

  /** A new key. */
  static async generate(algorithm: KeyAlgorithm, options: { readonly id?: string | undefined } = {}): Promise<SoftwareSigner> {
    return new SoftwareSigner(await generatePrivateKey(algorithm), { ...options, pss: algorithm.startsWith('RSA-PSS') })
  }

  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (this.#immediate) return sign(this.#hash, data, this.#input)
    return new Promise((resolve, reject) => {
      sign(this.#hash, data, this.#input, (error, signature) => {
        if (error === null) resolve(signature)
        else reject(new PkiError('ERR_INTERNAL', `key ${this.id} did not sign`, { cause: error }))
      })
    })
  }

  /** The key itself, for `node:tls` and for export: whoever holds a software signer holds the key. */
  privateKey(): KeyObject {
    return this.#privateKey
  }
}
