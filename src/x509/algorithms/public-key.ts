// A public key: the DER of its SubjectPublicKeyInfo, checked on the bytes
// and imported into node:crypto on first use.

import { KeyObject, createPublicKey, hash, webcrypto } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { equalBytes, requireOctets } from '../../internal/bytes.ts'
import { encodeBase64url } from '../../internal/encodings/base64.ts'
import { decodeOnePem } from '../../internal/pem.ts'
import { isOnCurve, checkKeyStrength } from './key-strength.ts'
import type { KeyStrengthPolicy } from './key-strength.ts'
import { parseSubjectPublicKeyInfo } from './subject-public-key-info.ts'
import type { SubjectPublicKeyInfo } from './subject-public-key-info.ts'
import type { PublicKeyAlgorithm } from './signature-algorithm.ts'

/**
 * The key argument of `node:crypto` for verifying one signature: the imported key if there is one, else
 * octets or a JWK that `node:crypto` imports for that call alone. Not part of the package's public API.
 *
 * @throws as `PublicKey.keyObject` for a key that is not supported
 */
export let keyForOneUse: (key: PublicKey) => KeyObject | ImportedKey

/** A key as octets or JWK, for `node:crypto` to import. */
type ImportedKey = Exclude<Parameters<typeof createPublicKey>[0], string | Buffer | KeyObject>

/**
 * The input of `PublicKey.from`: a `KeyObject` (of a private one, the public half is used), SPKI DER, a PEM
 * `PUBLIC KEY`, or a key of `@peculiar/x509`.
 *
 * @inline
 */
export type PublicKeyInput = PublicKey | KeyObject | Uint8Array | string | { readonly rawData: ArrayBuffer }

/**
 * A public key. Parsing accepts any well-framed SubjectPublicKeyInfo; using an unsupported key throws.
 *
 * @see RFC 5280 section 4.1.2.7
 * @example
 * ```ts
 * const publicKey = PublicKey.from(pem)
 * publicKey.checkStrength() // throws ERR_KEY_WEAK for RSA of 1024 bits
 * ```
 */
export class PublicKey {
  /** DER of the SubjectPublicKeyInfo, as found. */
  readonly spki: Uint8Array
  #info: SubjectPublicKeyInfo | undefined
  #keyObject: KeyObject | undefined
  #keyIdentifier: Uint8Array | undefined
  /** The result for the default policy, kept because the check of an RSA modulus takes 0.2 ms. */
  #isStrong = false

  static {
    keyForOneUse = (key) => key.#keyObject ?? keyInput(key)
  }

  private constructor(spki: Uint8Array, keyObject?: KeyObject) {
    this.spki = spki
    this.#keyObject = keyObject
  }

  /**
   * A key over a copy of SPKI DER; nothing is decoded yet. @throws ERR_INVALID_ARGUMENT if the value is not
   * octets
   */
  static fromSpki(spki: Uint8Array): PublicKey {
    return new PublicKey(new Uint8Array(requireOctets(spki, 'the DER of a public key')))
  }

  /**
   * A key over octets that never change: those of a copied certificate.
   *
   * @internal
   */
  static over(spki: Uint8Array): PublicKey {
    return new PublicKey(spki)
  }

  /**
   * A key in any of the usual forms.
   *
   * @throws ERR_KEY_MALFORMED, ERR_INVALID_ARGUMENT
   */
  static from(key: PublicKeyInput): PublicKey {
    if (key instanceof PublicKey) return key
    if (key instanceof Uint8Array) return checked(PublicKey.fromSpki(key))
    if (key instanceof KeyObject) {
      if (key.type === 'secret')
        throw new PkiError('ERR_INVALID_ARGUMENT', 'found a secret key, expected a public or private one')
      try {
        const publicKey = key.type === 'private' ? createPublicKey(key) : key
        return new PublicKey(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), publicKey)
      } catch (cause) {
        // OpenSSL loads some private keys with a public point that it cannot export.
        throw new PkiError('ERR_KEY_MALFORMED', 'the public half of the private key cannot be exported', {
          cause,
        })
      }
    }
    if (typeof key !== 'string') {
      const { rawData } = Object(key) as { readonly rawData?: unknown }
      if (rawData instanceof ArrayBuffer) return checked(PublicKey.fromSpki(new Uint8Array(rawData)))
    }
    if (typeof key !== 'string' || key.length > maxPemLength)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'a public key must be a KeyObject, SPKI DER, PEM text, or a key of @peculiar/x509',
      )
    return checked(new PublicKey(spkiOfPem(key)))
  }

  /** The properties of the key, read from its DER. @throws ERR_KEY_MALFORMED, ERR_DER, ERR_OID_INVALID */
  get info(): SubjectPublicKeyInfo {
    this.#info ??= parseSubjectPublicKeyInfo(this.spki)
    return this.#info
  }

  /** The key algorithm; undefined if not supported (DSA, other curves, explicit parameters). */
  get algorithm(): PublicKeyAlgorithm | undefined {
    return this.info.algorithm
  }

  /** Bits of the curve's field or of the modulus; 0 if not supported. */
  get bits(): number {
    return this.info.bits
  }

  /** The octets of the subjectPublicKey BIT STRING. */
  get subjectPublicKey(): Uint8Array {
    return this.info.subjectPublicKey
  }

  /** RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the subjectPublicKey. */
  get keyIdentifier(): Uint8Array {
    this.#keyIdentifier ??= leftmostOctets(hash('sha256', this.subjectPublicKey, 'binary'), 20)
    return this.#keyIdentifier
  }

  /**
   * Whether the point of an EC key is on its curve; true for other kinds of
   * keys. Far cheaper than an import, for keys that are never used.
   *
   * @throws ERR_KEY_MALFORMED, ERR_DER
   */
  get isOnCurve(): boolean {
    if (this.#keyObject !== undefined) return true // OpenSSL imports only points on the curve
    const { algorithm, subjectPublicKey } = this.info
    return (
      (algorithm !== 'P-256' && algorithm !== 'P-384' && algorithm !== 'P-521') ||
      isOnCurve(algorithm, subjectPublicKey.subarray(1))
    )
  }

  /**
   * The key for `node:crypto`; imported once.
   *
   * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS,
   *   ERR_KEY_MALFORMED (also for a point that is not on its curve)
   */
  keyObject(): KeyObject {
    if (this.#keyObject === undefined) {
      const input = keyInput(this)
      try {
        this.#keyObject = createPublicKey(input)
      } catch (cause) {
        throw new PkiError(
          'ERR_KEY_MALFORMED',
          `the public key is not a valid ${this.info.algorithm ?? ''} key`,
          { cause },
        )
      }
    }
    return this.#keyObject
  }

  /**
   * Imports the key before its use, in the fastest way, which is asynchronous. Before OpenSSL 3.2, WebCrypto
   * accepts the bare point of an EC key, which makes import and first verification a fifth cheaper. Otherwise
   * does nothing. Errors are reported by `keyObject`, not here.
   */
  async prepare(): Promise<void> {
    if (!slowSpkiDecoder || this.#keyObject !== undefined) return
    try {
      const { algorithm, subjectPublicKey } = this.info
      if (algorithm === 'P-256')
        this.#keyObject = KeyObject.from(
          await webcrypto.subtle.importKey(
            'raw',
            subjectPublicKey as Uint8Array<ArrayBuffer>,
            ecdsaP256,
            true,
            verifyOnly,
          ),
        )
    } catch {
      // `keyObject` fails too, and reports a code.
    }
  }

  /** Whether both are the same SubjectPublicKeyInfo, byte for byte. */
  equals(other: PublicKey): boolean {
    return equalBytes(this.spki, other.spki)
  }

  /**
   * Refuses keys that the policy does not allow.
   *
   * @throws ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_KEY_MALFORMED
   */
  checkStrength(policy?: KeyStrengthPolicy): void {
    if (policy === undefined && this.#isStrong) return
    checkKeyStrength(this.info, policy)
    this.#isStrong ||= policy === undefined
  }
}

/**
 * The DER is checked before the key is imported: OpenSSL computes with explicit curve parameters while it
 * reads them, up to 0.2 s on the event loop.
 */
function spkiOfPem(pem: string): Uint8Array {
  try {
    return decodeOnePem(pem, ['PUBLIC KEY'], maxPemLength)
  } catch (cause) {
    throw new PkiError(
      'ERR_KEY_MALFORMED',
      `the text is not a PEM public key: ${(cause as Error).message}; the public half of a private key is ` +
        'PublicKey.from(importPrivateKey(pem)), that of a certificate is Certificate.from(pem).publicKey',
      { cause },
    )
  }
}

function checked(key: PublicKey): PublicKey {
  void key.info
  return key
}

/**
 * The fastest import on this Node. OpenSSL 3.0 spends 100 µs in its DER decoder for SPKI, which PKCS#1 and
 * JWK avoid; since 3.2, SPKI is as fast for EC keys.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
function keyInput(key: PublicKey): ImportedKey {
  const { algorithm, problem, subjectPublicKey: octets } = key.info
  if (algorithm === undefined)
    throw new PkiError(
      problem?.code ?? 'ERR_KEY_UNSUPPORTED',
      `the public key is ${problem?.detail ?? 'of an unknown kind'}`,
    )
  if (algorithm === 'RSA') return { key: buffer(octets), format: 'der', type: 'pkcs1' }
  if (algorithm === 'Ed25519')
    return { key: { kty: 'OKP', crv: 'Ed25519', x: encodeBase64url(octets) }, format: 'jwk' }
  if (algorithm === 'P-256' && slowSpkiDecoder) {
    return {
      key: { kty: 'EC', crv: 'P-256', x: encodeBase64url(octets, 1, 33), y: encodeBase64url(octets, 33, 65) },
      format: 'jwk',
    }
  }
  return { key: buffer(key.spki), format: 'der', type: 'spki' }
}

/** Hash input as a string: octets would take memory outside the heap for the lifetime of the key. */
function leftmostOctets(text: string, count: number): Uint8Array {
  const octets = new Uint8Array(count)
  for (let at = 0; at < count; at++) octets[at] = text.charCodeAt(at)
  return octets
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

const ecdsaP256 = { name: 'ECDSA', namedCurve: 'P-256' }
const verifyOnly: webcrypto.KeyUsage[] = ['verify']
const maxPemLength = 16 * 1024

const slowSpkiDecoder = /^(1|3\.[01])\./.test(process.versions.openssl)
