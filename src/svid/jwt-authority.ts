// A key that signs JWT-SVIDs of a trust domain: rules J-3, J-12.

import { PkiError } from '../errors/index.ts'
import { PublicKey } from '../x509/index.ts'
import type { PublicKeyInput } from '../x509/index.ts'
import { jwkOfPublicKey, publicKeyOfJwk } from './jwk.ts'
import type { JwkMembers, PublicJwk } from './jwk.ts'

/** The `alg` values of JWT-SVID.md section 2.1 (rule J-3). No other is ever accepted. */
export type JwtSvidAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'ES256' | 'ES384' | 'ES512' | 'PS256' | 'PS384' | 'PS512'

/** A public key by the `kid` that tokens name it by. */
export class JwtAuthority {
  /** The `kid`, 1 to 1,024 characters. */
  readonly keyId: string
  readonly publicKey: PublicKey
  /** The algorithms that a token may be signed with by this key; one if the JWK has `alg`. */
  readonly algorithms: readonly JwtSvidAlgorithm[]

  private constructor(keyId: string, publicKey: PublicKey, algorithm: unknown) {
    if (keyId.length === 0 || keyId.length > maxKeyIdLength) {
      throw new PkiError('ERR_JWK_INVALID', `a kid of ${keyId.length} characters found, 1 to ${maxKeyIdLength} wanted (J-12)`)
    }
    const algorithms = algorithmsOf(publicKey)
    // RFC 7517 §4.4: `alg` is the algorithm that the key is meant for.
    const allowed = algorithm === undefined ? algorithms : algorithms.filter((name) => name === algorithm)
    if (allowed.length === 0) throw new PkiError('ERR_JWK_INVALID', 'an alg or kind of key that no JWT-SVID may have (J-3)')
    this.keyId = keyId
    this.publicKey = publicKey
    this.algorithms = allowed
  }

  /**
   * An authority from a key: EC P-256, P-384, P-521, or RSA of 2048 to 8192 bits.
   *
   * @throws ERR_JWK_INVALID, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
   */
  static from(keyId: string, key: PublicKeyInput): JwtAuthority {
    if (typeof keyId !== 'string') throw new PkiError('ERR_INVALID_ARGUMENT', 'a kid is a string')
    const publicKey = PublicKey.from(key)
    publicKey.checkStrength(keyPolicy)
    return new JwtAuthority(keyId, publicKey, undefined)
  }

  /**
   * An authority from a JWK with `kid`. `use` is not looked at: that is the bundle's matter.
   *
   * @throws ERR_JWK_INVALID, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
   */
  static fromJwk(jwk: JwkMembers): JwtAuthority {
    const { kid, alg } = jwk
    if (typeof kid !== 'string') throw new PkiError('ERR_JWK_INVALID', 'a JWK without kid (J-12)')
    const operations = jwk['key_ops']
    // RFC 7517 §4.3: a key that says what it is for is for nothing else.
    if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
      throw new PkiError('ERR_JWK_INVALID', 'a JWK whose key_ops do not hold verify')
    }
    const publicKey = publicKeyOfJwk(jwk)
    publicKey.checkStrength(keyPolicy)
    // A point that is not on its curve shows itself now, and not as a bad signature of somebody's token.
    publicKey.keyObject()
    return new JwtAuthority(kid, publicKey, alg)
  }

  /** The JWK: `kid`, `use` and the key. */
  toJwk(): PublicJwk & { readonly kid: string; readonly use: 'jwt-svid' } {
    return { ...jwkOfPublicKey(this.publicKey), kid: this.keyId, use: 'jwt-svid' }
  }

  /** Whether both are the same key under the same `kid`. */
  equals(other: JwtAuthority): boolean {
    return this.keyId === other.keyId && this.publicKey.equals(other.publicKey)
  }
}

/** Whether a value is an `alg` that a JWT-SVID may have. */
export function isJwtSvidAlgorithm(value: unknown): value is JwtSvidAlgorithm {
  return typeof value === 'string' && (allAlgorithms as readonly string[]).includes(value)
}

/** RFC 7518 §3.4 and §3.3: ECDSA algorithms fix the curve, RSA ones fit every RSA key. Ed25519 is not on the list (J-3). */
function algorithmsOf(key: PublicKey): readonly JwtSvidAlgorithm[] {
  switch (key.algorithm) {
    case 'P-256':
      return ['ES256']
    case 'P-384':
      return ['ES384']
    case 'P-521':
      return ['ES512']
    case 'RSA':
      return ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
    default:
      return []
  }
}

const allAlgorithms: readonly JwtSvidAlgorithm[] = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']
const maxKeyIdLength = 1024
/** Exponent 3 is weak only with bad padding checks; published keys with it exist, and `node:crypto` checks padding strictly. */
const keyPolicy = { rsaExponent: 'odd' } as const
