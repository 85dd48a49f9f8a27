// Issues JWT-SVIDs with any Signer: JWT-SVID.md sections 2 and 3, RFC 7515 section 3.1.

import { readOptions } from '../../internal/options.ts'
import { PkiError } from '../../errors/index.ts'
import { isCount } from '../../internal/numbers.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { SignatureAlgorithm, Signer } from '../../x509/index.ts'
import { curves, joinedEcdsaSignature } from '../../x509/internal.ts'
import type { CurveName } from '../../x509/internal.ts'
import { JwtAuthority } from './jwt-authority.ts'
import type { JwtSvidAlgorithm } from './jwt-authority.ts'
import type { JwtSvid } from './jwt-svid.ts'
import { TrustBundle } from '../trust-bundle.ts'
import { audiences, verifyJwtSvid } from './verify-jwt-svid.ts'

/** The contents of a JWT-SVID. @inline */
export interface JwtSvidFields {
  /** The workload: `sub`. */
  readonly id: SpiffeId | string
  /** The audiences; one is best, because each audience can use the token at the others (J-7). */
  readonly audience: string | readonly string[]
  /** The `kid` of the key in the bundle of the trust domain. */
  readonly keyId: string
  /** Seconds until it expires, 1 to 86,400. Default 300. */
  readonly ttlSeconds?: number
  /** Further claims, as JSON values; `sub`, `aud`, `exp`, `iat` and `nbf` are not allowed here. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** The clock for the time of issue. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/**
 * Signs a JWT-SVID with a P-256, P-384, P-521 or RSA key, and verifies it as a receiver would before
 * returning it.
 *
 * @throws ERR_JWK_INVALID a key or algorithm that is not allowed for JWT-SVIDs (J-3); ERR_KEY_WEAK, ERR_TTL,
 * ERR_SPIFFE_ID_INVALID
 * @throws ERR_INVALID_ARGUMENT; ERR_JWT_SIGNATURE the signer returned a signature that does not verify; the
 * errors of `signer.sign`
 * @example
 * ```ts
 * const jwt = await issueJwtSvid({ id: 'spiffe://example.org/web', audience: 'spiffe://example.org/db',
 * keyId: 'jwt-1' }, signer)
 * ```
 */
export async function issueJwtSvid(fields: JwtSvidFields, signer: Signer): Promise<JwtSvid> {
  const read = readOptions<JwtSvidFields>('issueJwtSvid', fields, {
    id: 'required',
    audience: 'required',
    keyId: 'required',
    ttlSeconds: 'guard',
    claims: 'optional',
    clock: 'optional',
  })
  const id = SpiffeId.from(read.id)
  const { ttlSeconds = defaultTtlSeconds, clock = systemClock, keyId, claims = {} } = read
  if (!isCount(ttlSeconds, 1, maxTtlSeconds)) {
    throw new PkiError('ERR_TTL', `ttlSeconds must be an integer from 1 to ${maxTtlSeconds}`)
  }
  const authority = JwtAuthority.from(keyId, signer.publicKey)
  const alg = algorithms[signer.signatureAlgorithm]
  if (alg === undefined || !authority.algorithms.includes(alg))
    throw new PkiError('ERR_JWK_INVALID', `${signer.signatureAlgorithm} is not allowed for JWT-SVIDs (J-3)`)
  const reserved = Object.keys(claims).find((name) => ['sub', 'aud', 'exp', 'iat', 'nbf'].includes(name))
  if (reserved !== undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', `the claim ${reserved} is reserved and must not be given`)
  // JSON.stringify would write the result of toJSON in place of all claims.
  if (typeof claims['toJSON'] === 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the claims have a toJSON function; expected a plain object')
  const aud = audiences(read.audience)
  const iat = Math.floor(clock.now() / 1000)
  const payload = {
    ...claims,
    sub: id.toString(),
    aud: aud.length === 1 ? aud[0] : aud,
    iat,
    exp: iat + ttlSeconds,
  }
  const input = `${encode({ alg, kid: keyId, typ: 'JWT' })}.${encode(payload)}`
  const signature = joseSignature(await signer.sign(new Uint8Array(Buffer.from(input))), alg)
  const bundles = new TrustBundle(id.trustDomain, { jwtAuthorities: [authority] })
  return verifyJwtSvid(`${input}.${signature.toString('base64url')}`, {
    bundles,
    audience: aud,
    time: new Date(iat * 1000),
    id,
  })
}

function encode(value: unknown): string {
  try {
    return Buffer.from(JSON.stringify(value)).toString('base64url')
  } catch (cause) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the claims are not JSON', { cause })
  }
}

/** X.509 encodes ECDSA signatures as DER, JWS as `r || s`. */
function joseSignature(signature: Uint8Array, alg: JwtSvidAlgorithm): Buffer {
  const curve = curveOf[alg]
  if (curve === undefined) return Buffer.from(signature)
  try {
    return Buffer.from(joinedEcdsaSignature(signature, curves[curve].octets))
  } catch (cause) {
    throw new PkiError(
      'ERR_JWT_SIGNATURE',
      `the signer returned something other than an ECDSA signature of ${curve}`,
      { cause },
    )
  }
}

/** The same value as in SPIRE. */
const defaultTtlSeconds = 300
const maxTtlSeconds = 86_400
/** RFC 7518 §3.4. */
const curveOf: Readonly<Partial<Record<JwtSvidAlgorithm, CurveName>>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
}
const algorithms: Readonly<Partial<Record<SignatureAlgorithm, JwtSvidAlgorithm>>> = {
  'ecdsa-with-SHA256': 'ES256',
  'ecdsa-with-SHA384': 'ES384',
  'ecdsa-with-SHA512': 'ES512',
  sha256WithRSAEncryption: 'RS256',
  sha384WithRSAEncryption: 'RS384',
  sha512WithRSAEncryption: 'RS512',
  'rsassa-pss-SHA256': 'PS256',
  'rsassa-pss-SHA384': 'PS384',
  'rsassa-pss-SHA512': 'PS512',
}
