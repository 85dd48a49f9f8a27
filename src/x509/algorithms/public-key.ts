// A public key: the bytes of its SubjectPublicKeyInfo, judged by DER, imported into node:crypto when first used.

import { KeyObject, createPublicKey, hash, webcrypto } from 'node:crypto'
import type { JsonWebKeyInput } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { encodeBase64url } from '../../internal/bytes.ts'
import { isOnCurve, checkKeyStrength } from './key-strength.ts'
import type { KeyStrengthPolicy } from './key-strength.ts'
import { parseSubjectPublicKeyInfo } from './subject-public-key-info.ts'
import type { SubjectPublicKeyInfo } from './subject-public-key-info.ts'
import type { PublicKeyAlgorithm } from './signature-algorithm.ts'

/** What `PublicKey.from` takes: a `KeyObject` (a private one gives its public half), SPKI DER, a PEM `PUBLIC KEY`, or a key of `@peculiar/x509`. */
export type PublicKeyInput = PublicKey | KeyObject | Uint8Array | string | { readonly rawData: ArrayBuffer }

/**
 * A public key. Parsing takes any well-framed SubjectPublicKeyInfo; using a key that is not supported throws.
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
  #wasUsed = false
  /** By the default policy; told once, for an RSA modulus takes a fifth of a millisecond. */
  #isStrong = false

  private constructor(spki: Uint8Array, keyObject?: KeyObject) {
    this.spki = spki
    this.#keyObject = keyObject
  }

  /** A view over SPKI DER; nothing is decoded yet. */
  static fromSpki(spki: Uint8Array): PublicKey {
    return new PublicKey(spki)
  }

  /**
   * A key in any of the usual forms.
   *
   * @throws ERR_KEY_MALFORMED, ERR_INVALID_ARGUMENT
   */
  static from(key: PublicKeyInput): PublicKey {
    if (key instanceof PublicKey) return key
    if (key instanceof Uint8Array) return checked(new PublicKey(key))
    if (key instanceof KeyObject) {
      if (key.type === 'secret')
        throw new PkiError('ERR_INVALID_ARGUMENT', 'a secret key where a public or private one is wanted')
      try {
        const publicKey = key.type === 'private' ? createPublicKey(key) : key
        return new PublicKey(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })), publicKey)
      } catch (cause) {
        // A private key may carry a public point that OpenSSL loads and cannot write.
        throw new PkiError('ERR_KEY_MALFORMED', 'the key has no public half that can be written', { cause })
      }
    }
    if (typeof key !== 'string') {
      const { rawData } = Object(key) as { readonly rawData?: unknown }
      if (rawData instanceof ArrayBuffer) return checked(new PublicKey(new Uint8Array(rawData)))
    }
    if (typeof key !== 'string' || key.length > maxPemLength)
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'a public key is a KeyObject, SPKI DER, PEM text, or a key of @peculiar/x509',
      )
    let keyObject: KeyObject
    try {
      keyObject = createPublicKey(key)
    } catch (cause) {
      throw new PkiError('ERR_KEY_MALFORMED', 'the text is not a PEM public key', { cause })
    }
    return PublicKey.from(keyObject)
  }

  /** What the DER says about the key. @throws ERR_KEY_MALFORMED, ERR_DER, ERR_OID_INVALID */
  get info(): SubjectPublicKeyInfo {
    this.#info ??= parseSubjectPublicKeyInfo(this.spki)
    return this.#info
  }

  /** The kind of key; undefined where it is not supported (DSA, other curves, explicit parameters). */
  get algorithm(): PublicKeyAlgorithm | undefined {
    return this.info.algorithm
  }

  /** Bits of the curve's field or of the modulus; 0 where not supported. */
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
   * Whether the point of an EC key is on its curve; true for keys of other kinds. Far cheaper than an import, for keys that are not used.
   *
   * @throws ERR_KEY_MALFORMED, ERR_DER
   */
  get isOnCurve(): boolean {
    if (this.#keyObject !== undefined) return true // OpenSSL imports no other
    const { algorithm, subjectPublicKey } = this.info
    return (
      (algorithm !== 'P-256' && algorithm !== 'P-384' && algorithm !== 'P-521') ||
      isOnCurve(algorithm, subjectPublicKey.subarray(1))
    )
  }

  /**
   * The key for `node:crypto`; imported once.
   *
   * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_EXPLICIT_PARAMETERS, ERR_KEY_MALFORMED (also for a point that is not on its curve)
   */
  keyObject(): KeyObject {
    if (this.#keyObject === undefined) {
      const input = keyInput(this)
      try {
        this.#keyObject = createPublicKey(input)
      } catch (cause) {
        throw new PkiError(
          'ERR_KEY_MALFORMED',
          `the public key is no valid ${this.info.algorithm ?? ''} key`,
          { cause },
        )
      }
    }
    return this.#keyObject
  }

  /**
   * Imports the key ahead of its use, in the way that is fastest on this Node and needs a promise: before OpenSSL 3.2, WebCrypto takes the
   * bare point of an EC key, and import and first verification cost a fifth less. Elsewhere it does nothing; nor does it say what is wrong
   * with a key, which `keyObject` does.
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
      // `keyObject` fails as well, with a code.
    }
  }

  /**
   * The key for one verification. That of a request is used once: `node:crypto` then imports it for the call and frees it with it, which a
   * `KeyObject` leaves to the garbage collector at ten times the price. From the second use on it is imported and kept.
   *
   * @throws as `keyObject`
   */
  verificationKey(): KeyObject | OneShotKey {
    if (this.#keyObject !== undefined || this.#wasUsed) return this.keyObject()
    this.#wasUsed = true
    return keyInput(this)
  }

  /** Whether both are the same SubjectPublicKeyInfo, byte for byte. */
  equals(other: PublicKey): boolean {
    return Buffer.compare(this.spki, other.spki) === 0
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

function checked(key: PublicKey): PublicKey {
  void key.info
  return key
}

/** A public key in a form that the verifying functions of `node:crypto` import by themselves. */
export type OneShotKey =
  JsonWebKeyInput | { readonly key: Buffer; readonly format: 'der'; readonly type: 'spki' | 'pkcs1' }

/**
 * What is imported the fastest on this Node. OpenSSL 3.0 spends 100 µs in its DER decoder for SPKI, which PKCS#1 and JWK avoid;
 * from 3.2 on SPKI is as fast for EC keys.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
function keyInput(key: PublicKey): OneShotKey {
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

/** Of a hash as text: as octets it would be memory outside of the heap, for as long as the key lives. */
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
