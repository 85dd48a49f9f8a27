// A Signer over a private key in this process.

import { constants, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { PublicKey, signatureAlgorithms } from '../x509/index.ts'
import type { SignatureAlgorithm, Signer } from '../x509/index.ts'
import {
  generatePrivateKey,
  keyAlgorithmOf,
  requirePrivateKey,
  signatureAlgorithmOf,
} from './key-algorithm.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'

/** Options of `SoftwareSigner`. */
export interface SoftwareSignerOptions {
  /** For messages and logs. */
  readonly id?: string | undefined
  /** Sign by RSASSA-PSS; RSA keys only. */
  readonly pss?: boolean | undefined
  /**
   * Sign on the thread pool, where several signatures run at once. Default: false for P-256, Ed25519 and RSA of 2048 bits, which take
   * less time than checking the request that they answer; true for all others.
   */
  readonly threadPool?: boolean | undefined
}

/**
 * Signs with a `KeyObject`, at once or on the thread pool: see `threadPool`.
 *
 * @example
 * ```ts
 * const key = await SoftwareSigner.generate('P-256')
 * const fromFile = new SoftwareSigner(importPrivateKey(pem))
 * ```
 */
export class SoftwareSigner implements Signer {
  /** The `id` of the options; without one, `software:` and the key identifier in hexadecimal. */
  readonly id: string
  /** The public half of the key. */
  readonly publicKey: PublicKey
  /** What the key is: `P-256`, `RSA-2048`, … */
  readonly algorithm: KeyAlgorithm
  /** What it signs with, the only one that it ever uses. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #privateKey: KeyObject
  readonly #hash: string | undefined
  readonly #input: KeyObject | SignKeyObjectInput
  readonly #immediate: boolean

  /** @throws ERR_INVALID_ARGUMENT, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS */
  constructor(privateKey: KeyObject, options: SoftwareSignerOptions = {}) {
    this.publicKey = PublicKey.from(requirePrivateKey(privateKey))
    this.algorithm = keyAlgorithmOf(this.publicKey, options)
    this.id = options.id ?? `software:${Buffer.from(this.publicKey.keyIdentifier).toString('hex')}`
    this.signatureAlgorithm = signatureAlgorithmOf(this.publicKey, this.algorithm)
    const { hash, saltLength } = signatureAlgorithms[this.signatureAlgorithm]
    this.#privateKey = privateKey
    this.#hash = hash
    this.#input =
      saltLength === undefined
        ? privateKey
        : { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    this.#immediate = !(options.threadPool ?? !quick.has(this.algorithm))
  }

  /** A new key, and its signer. @throws ERR_KEY_UNSUPPORTED */
  static async generate(
    algorithm: KeyAlgorithm,
    options: { readonly id?: string | undefined } = {},
  ): Promise<SoftwareSigner> {
    return new SoftwareSigner(await generatePrivateKey(algorithm), {
      ...options,
      pss: algorithm.startsWith('RSA-PSS'),
    })
  }

  /** @throws ERR_INVALID_ARGUMENT for what are no octets */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (!ArrayBuffer.isView(data))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'what is signed is a Uint8Array')
    if (this.#immediate) {
      try {
        return sign(this.#hash, data, this.#input)
      } catch (cause) {
        throw this.#failure(cause)
      }
    }
    return new Promise((resolve, reject) => {
      sign(this.#hash, data, this.#input, (error, signature) => {
        if (error === null) resolve(signature)
        else reject(this.#failure(error))
      })
    })
  }

  /** The key itself, for `node:tls` and for export: whoever holds a software signer holds the key. */
  privateKey(): KeyObject {
    return this.#privateKey
  }

  #failure(cause: unknown): PkiError {
    return new PkiError('ERR_INTERNAL', `key ${this.id} did not sign`, { cause })
  }
}

/** A third of a millisecond at most; waking a thread and being woken costs as much as half of that. */
const quick: ReadonlySet<KeyAlgorithm> = new Set<KeyAlgorithm>([
  'P-256',
  'Ed25519',
  'RSA-2048',
  'RSA-PSS-2048',
])
