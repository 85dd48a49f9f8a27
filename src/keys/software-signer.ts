// A Signer over a private key in this process.

import { readOptions } from '../internal/options.ts'
import { nameOf } from '../internal/values/name-of.ts'
import { constants, sign } from 'node:crypto'
import type { KeyObject, SignKeyObjectInput } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { PublicKey } from '../x509/index.ts'
import { signatureAlgorithms } from '../x509/internal.ts'
import type { SignatureAlgorithm, Signer } from '../x509/index.ts'
import {
  generatePrivateKey,
  keyAlgorithmOf,
  requirePrivateKey,
  signatureAlgorithmOf,
} from './key-algorithm.ts'
import type { KeyAlgorithm } from './key-algorithm.ts'

/** Options of `SoftwareSigner`. @inline */
export interface SoftwareSignerOptions {
  /** A name for messages and logs. */
  readonly id?: string | undefined
  /** Use RSASSA-PSS; for RSA keys only. */
  readonly pss?: boolean | undefined
  /**
   * Sign on the thread pool, where several signatures run in parallel. Default: false for P-256, Ed25519 and
   * RSA of 2048 bits, whose signature takes less time than the check of a request; true for all others, and
   * for more than 64 KiB of data.
   */
  readonly threadPool?: boolean | undefined
}

/**
 * A signer with a `KeyObject`, on the calling thread or the thread pool: see `threadPool`.
 *
 * @example
 * ```ts
 * const key = await SoftwareSigner.generate('P-256')
 * const fromFile = new SoftwareSigner(importPrivateKey(pem))
 * ```
 */
export class SoftwareSigner implements Signer {
  /** The `id` of the options; by default `software:` and the key identifier in hexadecimal. */
  readonly id: string
  /** The public half of the key. */
  readonly publicKey: PublicKey
  /** The algorithm of the key: `P-256`, `RSA-2048`, … */
  readonly algorithm: KeyAlgorithm
  /** The signature algorithm, always the same. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #privateKey: KeyObject
  readonly #hash: string | undefined
  readonly #input: KeyObject | SignKeyObjectInput
  readonly #immediate: boolean

  /** @throws ERR_INVALID_ARGUMENT, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS */
  constructor(privateKey: KeyObject, options: SoftwareSignerOptions = {}) {
    const read = readOptions<SoftwareSignerOptions>('SoftwareSigner', options, signerOptions)
    this.publicKey = PublicKey.from(requirePrivateKey(privateKey))
    this.algorithm = keyAlgorithmOf(this.publicKey, { pss: read.pss })
    this.id = read.id ?? `software:${Buffer.from(this.publicKey.keyIdentifier).toString('hex')}`
    this.signatureAlgorithm = signatureAlgorithmOf(this.publicKey, this.algorithm)
    const { hash, saltLength } = signatureAlgorithms[this.signatureAlgorithm]
    this.#privateKey = privateKey
    this.#hash = hash
    this.#input =
      saltLength === undefined
        ? privateKey
        : { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
    this.#immediate = !(read.threadPool ?? !quick.has(this.algorithm))
  }

  /** A signer with a new key. @throws ERR_KEY_UNSUPPORTED */
  static async generate(
    algorithm: KeyAlgorithm,
    options: Pick<SoftwareSignerOptions, 'id' | 'threadPool'> = {},
  ): Promise<SoftwareSigner> {
    const read = readOptions<Pick<SoftwareSignerOptions, 'id' | 'threadPool'>>(
      'SoftwareSigner.generate',
      options,
      { id: 'optional', threadPool: 'optional' },
    )
    return new SoftwareSigner(await generatePrivateKey(algorithm), {
      ...read,
      pss: algorithm.startsWith('RSA-PSS'),
    })
  }

  /** @throws ERR_INVALID_ARGUMENT if not given octets */
  sign(data: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (!ArrayBuffer.isView(data))
      throw new PkiError('ERR_INVALID_ARGUMENT', `data must be a Uint8Array, found ${nameOf(data)}`)
    if (this.#immediate && data.byteLength <= maxImmediateOctets) {
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

  /** The private key, for `node:tls` and for export: access to a software signer is access to its key. */
  privateKey(): KeyObject {
    return this.#privateKey
  }

  #failure(cause: unknown): PkiError {
    return new PkiError('ERR_INTERNAL', `signing with the key ${this.id} failed`, { cause })
  }
}

const signerOptions = { id: 'optional', pss: 'optional', threadPool: 'optional' } as const

/** Larger data is hashed on the thread pool: a CRL may have tens of megabytes. */
const maxImmediateOctets = 64 * 1024

/**
 * At most a third of a millisecond; starting a task on a thread and returning its result costs half of that.
 */
const quick: ReadonlySet<KeyAlgorithm> = new Set<KeyAlgorithm>([
  'P-256',
  'Ed25519',
  'RSA-2048',
  'RSA-PSS-2048',
])
