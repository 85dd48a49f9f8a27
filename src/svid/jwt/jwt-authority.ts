// Public JSON Web Keys (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2) as SubjectPublicKeyInfo,
// and keys that sign JWT-SVIDs (rules J-3, J-12).

import { bitString, nullElement, oid, sequence, unsignedInteger } from '../../der/index.ts'
import { PkiError } from '../../errors/index.ts'
import { decodeBase64url } from '../../internal/encodings/base64.ts'
import { nameOf, shownValue } from '../../internal/values/name-of.ts'
import { PublicKey } from '../../x509/index.ts'
import { curveByName } from '../../x509/internal.ts'
import type { PublicKeyInput } from '../../x509/internal.ts'

/** The members that make up a public key. @inline */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384' | 'P-521'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }

/** A JWK as parsed: members by name, unchecked. @inline */
export type JwkMembers = Readonly<Record<string, unknown>>

/**
 * The key of a JWK. Other members are ignored, except private ones, which are refused.
 *
 * @throws ERR_JWK_INVALID
 */
export function publicKeyOfJwk(jwk: JwkMembers): PublicKey {
  refusePrivate(jwk)
  const key = PublicKey.fromSpki(subjectPublicKeyInfo(jwk))
  const { algorithm, problem } = key.info
  if (algorithm === undefined) throw jwkError(problem?.detail ?? 'an unsupported key')
  return key
}

/**
 * The JWK of a key. An RSA key restricted to RSASSA-PSS loses that restriction: JWK cannot express it.
 *
 * @throws ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
 */
export function jwkOfPublicKey(key: PublicKey): PublicJwk {
  const { algorithm, problem, subjectPublicKey, modulus, exponent } = key.info
  if (modulus !== undefined && exponent !== undefined) {
    return { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) }
  }
  if (algorithm === 'Ed25519') return { kty: 'OKP', crv: algorithm, x: base64url(subjectPublicKey) }
  if (algorithm === 'P-256' || algorithm === 'P-384' || algorithm === 'P-521') {
    // The uncompressed point: 4, x, y.
    const octets = (subjectPublicKey.length - 1) / 2
    const point = subjectPublicKey.subarray(1)
    return {
      kty: 'EC',
      crv: algorithm,
      x: base64url(point.subarray(0, octets)),
      y: base64url(point.subarray(octets)),
    }
  }
  throw new PkiError(
    problem?.code ?? 'ERR_KEY_UNSUPPORTED',
    `the public key has no JWK form: ${problem?.detail ?? 'unknown kind'}`,
  )
}

/**
 * Refuses a JWK with a member of a private or symmetric key: a published private key is compromised.
 *
 * @throws ERR_JWK_INVALID
 */
export function refusePrivate(jwk: JwkMembers): void {
  const found = privateMembers.find((name) => jwk[name] !== undefined)
  if (found !== undefined) throw jwkError(`the member ${found} of a private key`)
}

/** Whether the JWK has members of the key itself, beyond `kty` and metadata. */
export function hasKeyMembers(jwk: JwkMembers): boolean {
  return ['crv', 'x', 'y', 'n', 'e'].some((name) => jwk[name] !== undefined)
}

function subjectPublicKeyInfo(jwk: JwkMembers): Uint8Array {
  const { kty, crv } = jwk
  if (kty === 'RSA') {
    const key = sequence(unsignedInteger(unsigned(jwk, 'n')), unsignedInteger(unsigned(jwk, 'e')))
    return sequence(sequence(oid('1.2.840.113549.1.1.1'), nullElement()), bitString(key))
  }
  if (kty === 'EC') {
    const curve = typeof crv === 'string' ? curveByName(crv) : undefined
    if (curve === undefined) throw jwkError('a curve other than P-256, P-384, P-521')
    // RFC 7518 §6.2.1.2: each coordinate has the full length of the field.
    const point = Uint8Array.of(
      4,
      ...coordinate(jwk, 'x', curve.octets),
      ...coordinate(jwk, 'y', curve.octets),
    )
    return sequence(sequence(oid('1.2.840.10045.2.1'), oid(curve.oid)), bitString(point))
  }
  if (kty === 'OKP') {
    if (crv !== 'Ed25519') throw jwkError('an OKP curve other than Ed25519')
    return sequence(sequence(oid('1.3.101.112')), bitString(coordinate(jwk, 'x', 32)))
  }
  throw jwkError(typeof kty === 'string' ? 'a kty other than RSA, EC, OKP' : 'no kty')
}

function coordinate(jwk: JwkMembers, name: string, octets: number): Uint8Array {
  const value = member(jwk, name)
  if (value.length !== octets) throw jwkError(`${name} with ${value.length} octets in place of ${octets}`)
  return value
}

/**
 * Base64urlUInt, RFC 7518 §2: the fewest octets that represent the value;
 * zero is neither a modulus nor an exponent.
 */
function unsigned(jwk: JwkMembers, name: string): Uint8Array {
  const value = member(jwk, name)
  if (value.length === 0 || value[0] === 0) throw jwkError(`${name} is empty or begins with a zero octet`)
  return value
}

function member(jwk: JwkMembers, name: string): Uint8Array {
  const value = jwk[name]
  if (typeof value !== 'string' || value.length > maxMemberLength)
    throw jwkError(`an absent or too long ${name}`)
  try {
    return decodeBase64url(value)
  } catch (cause) {
    throw new PkiError('ERR_JWK_INVALID', `JWK: ${name} is not canonical base64url`, { cause })
  }
}

function jwkError(found: string): PkiError<'ERR_JWK_INVALID'> {
  return new PkiError('ERR_JWK_INVALID', `JWK: found ${found}, expected a public key`)
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url')
}

/** RSA-8192 in base64url, with a margin. */
const maxMemberLength = 2048
/** RFC 7518 §6.2.2, §6.3.2, §6.4. */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/** The `alg` values of JWT-SVID.md section 2.1 (rule J-3). No other is ever accepted. @inline */
export type JwtSvidAlgorithm =
  'RS256' | 'RS384' | 'RS512' | 'ES256' | 'ES384' | 'ES512' | 'PS256' | 'PS384' | 'PS512'

/** A public key with the `kid` by which tokens refer to it. */
export class JwtAuthority {
  /** The `kid`, 1 to 1,024 characters. */
  readonly keyId: string
  /** The key that verifies the tokens. */
  readonly publicKey: PublicKey
  /** The algorithms that a token of this key may have; one if the JWK has `alg`. */
  readonly algorithms: readonly JwtSvidAlgorithm[]

  private constructor(keyId: string, publicKey: PublicKey, algorithm: unknown) {
    if (keyId.length === 0 || keyId.length > maxKeyIdLength) {
      throw new PkiError(
        'ERR_JWK_INVALID',
        `the kid has ${keyId.length} characters; expected 1 to ${maxKeyIdLength} (J-12)`,
      )
    }
    const algorithms = algorithmsOf(publicKey)
    // RFC 7517 §4.4: `alg` is the intended algorithm of the key.
    const allowed = algorithm === undefined ? algorithms : algorithms.filter((name) => name === algorithm)
    if (allowed.length === 0)
      throw new PkiError(
        'ERR_JWK_INVALID',
        algorithms.length === 0
          ? `found a key of ${publicKey.algorithm}, which signs no JWT-SVID (J-3)`
          : `alg is ${shownValue(algorithm)}; expected ${algorithms.join(' or ')} (J-3)`,
      )
    this.keyId = keyId
    this.publicKey = publicKey
    this.algorithms = allowed
  }

  /**
   * An authority from a key: EC P-256, P-384, P-521, or RSA of 2048 to 8192 bits.
   *
   * @throws ERR_JWK_INVALID, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED; ERR_INVALID_ARGUMENT if
   * the `kid` is not a string
   */
  static from(keyId: string, key: PublicKeyInput): JwtAuthority {
    if (typeof keyId !== 'string')
      throw new PkiError('ERR_INVALID_ARGUMENT', `the kid must be a string, found ${nameOf(keyId)}`)
    const publicKey = PublicKey.from(key)
    publicKey.checkStrength(keyPolicy)
    return new JwtAuthority(keyId, publicKey, undefined)
  }

  /**
   * An authority from a JWK with `kid`. `use` is ignored here; the reader of the bundle checks it.
   *
   * @throws ERR_JWK_INVALID, ERR_KEY_WEAK, ERR_KEY_UNSUPPORTED, ERR_KEY_MALFORMED
   */
  static fromJwk(jwk: JwkMembers): JwtAuthority {
    const { kid, alg } = Object(jwk) as JwkMembers
    if (typeof kid !== 'string')
      throw new PkiError('ERR_JWK_INVALID', `the kid is ${nameOf(kid)}; expected a text (J-12)`)
    const operations = jwk['key_ops']
    // RFC 7517 §4.3: `key_ops` restricts the operations of a key.
    if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
      throw new PkiError('ERR_JWK_INVALID', 'the key_ops of the JWK do not include verify')
    }
    const publicKey = publicKeyOfJwk(jwk)
    publicKey.checkStrength(keyPolicy)
    // Detects a point that is not on its curve now, instead of as an invalid signature of a token later.
    publicKey.keyObject()
    return new JwtAuthority(kid, publicKey, alg)
  }

  /**
   * The JWK: `kid`, `use` and the key; also `alg` if the key is restricted to one of its possible algorithms.
   */
  toJwk(): PublicJwk & { readonly kid: string; readonly use: 'jwt-svid'; readonly alg?: JwtSvidAlgorithm } {
    const [alg] = this.algorithms
    const narrowed = alg !== undefined && this.algorithms.length < algorithmsOf(this.publicKey).length
    return {
      ...jwkOfPublicKey(this.publicKey),
      kid: this.keyId,
      use: 'jwt-svid',
      ...(narrowed ? { alg } : {}),
    }
  }

  /** Whether both are the same key, for the same algorithms, under the same `kid`. */
  equals(other: JwtAuthority): boolean {
    return (
      this.keyId === other.keyId &&
      this.publicKey.equals(other.publicKey) &&
      this.algorithms.join() === other.algorithms.join()
    )
  }
}

/** Whether a value is an `alg` that a JWT-SVID may have. */
export function isJwtSvidAlgorithm(value: unknown): value is JwtSvidAlgorithm {
  return typeof value === 'string' && (jwtSvidAlgorithms as readonly string[]).includes(value)
}

/**
 * RFC 7518 §3.4 and §3.3: an ECDSA algorithm fixes the curve; an RSA algorithm allows every RSA key. Ed25519
 * is not allowed (J-3).
 */
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

/** Every `alg` of a JWT-SVID (J-3). */
export const jwtSvidAlgorithms: readonly JwtSvidAlgorithm[] = [
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
]
const maxKeyIdLength = 1024
/**
 * Exponent 3 is weak only with bad padding checks; published keys with it
 * exist, and `node:crypto` checks padding strictly.
 */
const keyPolicy = { rsaExponent: 'odd' } as const
