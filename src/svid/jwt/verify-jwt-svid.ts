// Verifies JWT-SVIDs: JWT-SVID.md section 4, signatures by jose, rules J-1 to J-13.

import { PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { match } from '../../spiffe/index.ts'

import type { SpiffeId, SpiffeIdMatcher } from '../../spiffe/index.ts'
import { whyNone } from '../bundle-authorities.ts'
import { requireBundle } from '../bundle-source.ts'
import type { BundleSource } from '../bundle-source.ts'
import type { JwtAuthority } from './jwt-authority.ts'
import { JwtSvid } from './jwt-svid.ts'

/** Options for verifying a JWT-SVID. @inline */
export interface JwtSvidOptions {
  /** Bundles by trust domain; only the bundle of the token's own trust domain is used. */
  readonly bundles: BundleSource
  /**
   * The name or names of the verifier, one of which must be in `aud`. Never empty: this check cannot be
   * skipped (J-10).
   */
  readonly audience: string | readonly string[]
  /**
   * The expected identity. Default: any identity of a trust domain that has a bundle; the caller must then
   * authorise by `id`.
   */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
  /** The time to verify for. Default: now. */
  readonly time?: Date | undefined
  /** The clock that provides the current time. */
  readonly clock?: Clock | undefined
  /** Maximum clock difference, in seconds, 0 to 300. Default 60 (J-8). */
  readonly clockSkewSeconds?: number
  /**
   * How far in the future `exp` may be, in seconds. Default 86,400. A token without a near expiry is
   * equivalent to a password, and its use is not tracked (J-13).
   */
  readonly maxTtlSeconds?: number
}

const optionKinds: OptionKinds<JwtSvidOptions> = {
  bundles: 'required',
  audience: 'required',
  id: 'guard',
  // `undefined` means the time of the clock, which is stricter than any other time for an expired token.
  time: 'optional',
  clock: 'optional',
  clockSkewSeconds: 'guard',
  maxTtlSeconds: 'guard',
}

/**
 * Verifies a token as received, without the prefix `Bearer `.
 *
 * The key is looked up by `kid` only in the bundle of the trust domain of `sub` (J-6). `jti` is not tracked
 * (J-13): a bearer token can be replayed until it expires.
 *
 * @example
 * const { id } = await verifyJwtSvid(token, { bundles, audience: 'spiffe://example.org/ns/prod/sa/api' })
 *
 * @throws ERR_JWT_MALFORMED (J-1), ERR_JWT_ALGORITHM (J-3), ERR_JWT_HEADER (J-2, J-4, J-5), ERR_JWT_CLAIM
 * (J-6 to J-9),
 *   ERR_BUNDLE_NOT_FOUND, ERR_JWT_KEY_UNKNOWN (J-12), ERR_JWT_SIGNATURE, ERR_JWT_EXPIRED (J-8),
 * ERR_JWT_NOT_YET_VALID (J-9),
 *   ERR_JWT_AUDIENCE (J-7), ERR_SPIFFE_ID_MISMATCH, ERR_LIMIT_EXCEEDED
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for invalid options
 */
export async function verifyJwtSvid(token: string, given: JwtSvidOptions): Promise<JwtSvid> {
  const options = readOptions('verifyJwtSvid', given, optionKinds)
  const wantedAudience = audiences(options.audience)
  const { nowMs, skewMs } = times(options)
  const { maxTtlSeconds = defaultMaxTtlSeconds } = options
  checkMeasures({ maxTtlSeconds }, 1)
  const wantedId =
    options.id === undefined || typeof options.id === 'function' ? options.id : match.id(options.id)
  const svid = JwtSvid.parseUnverified(token)
  const authority = findAuthority(svid, options.bundles)
  await checkSignature(svid, authority)
  // Verification is asynchronous: a key that was removed from the bundle meanwhile must not be accepted
  // (F-14).
  if (!findAuthority(svid, options.bundles).equals(authority))
    throw new PkiError(
      'ERR_JWT_KEY_UNKNOWN',
      'the key of the token was replaced while it was verified (J-12)',
    )
  checkTimes(svid, nowMs, skewMs)
  checkEnd(svid, nowMs + skewMs, maxTtlSeconds)
  if (!svid.audience.some((name) => wantedAudience.includes(name))) {
    throw new PkiError(
      'ERR_JWT_AUDIENCE',
      `the token is for ${JSON.stringify(svid.audience).slice(0, 256)}, expected ` +
        `${wantedAudience.join(' or ')} (J-7)`,
    )
  }
  if (wantedId !== undefined) match.require(svid.id, wantedId)
  return svid
}

/** The expected audiences, checked. @throws ERR_INVALID_ARGUMENT for an empty list (J-10) */
export function audiences(wanted: string | readonly string[]): readonly string[] {
  const names: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted]
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'expected at least one audience, as non-empty strings (J-10)')
  }
  return [...(names as readonly string[])]
}

function times({ time, clock = systemClock, clockSkewSeconds = defaultSkewSeconds }: JwtSvidOptions): {
  nowMs: number
  skewMs: number
} {
  const nowMs = time === undefined ? clock.now() : time instanceof Date ? time.getTime() : Number.NaN
  // NaN compares false with everything: every token would be valid.
  if (Number.isNaN(nowMs))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the time to verify for is not a valid Date')
  checkMeasures({ clockSkewSeconds }, 0, maxSkewSeconds)
  return { nowMs, skewMs: clockSkewSeconds * 1000 }
}

function findAuthority({ id, keyId, algorithm }: JwtSvid, bundles: BundleSource): JwtAuthority {
  const bundle = requireBundle(id.trustDomain, bundles)
  if (bundle.jwtAuthorities.length === 0) {
    throw new PkiError(
      'ERR_BUNDLE_NOT_FOUND',
      `the bundle of ${id.trustDomainName} has no JWT authority (J-12)${whyNone(bundle)}`,
    )
  }
  const authority = bundle.jwtAuthority(keyId)
  if (authority === undefined)
    throw new PkiError(
      'ERR_JWT_KEY_UNKNOWN',
      `no key in the bundle of ${id.trustDomainName} has the kid of the token (J-12)`,
    )
  // RFC 8725 §3.1: the key, not the token, determines the allowed algorithms.
  if (!authority.algorithms.includes(algorithm))
    throw new PkiError('ERR_JWT_ALGORITHM', `${algorithm} is not an algorithm of the key (J-3)`)
  return authority
}

async function checkSignature({ token, algorithm }: JwtSvid, { publicKey }: JwtAuthority): Promise<void> {
  try {
    // Loaded with the first token: a service that uses only certificates does not load it.
    const { compactVerify } = await import('jose/jws/compact/verify')
    await compactVerify(token, publicKey.keyObject(), { algorithms: [algorithm] })
  } catch (cause) {
    throw new PkiError('ERR_JWT_SIGNATURE', 'the signature of the token does not verify', { cause })
  }
}

function checkTimes({ expiresAt, notBefore, issuedAt }: JwtSvid, nowMs: number, skewMs: number): void {
  const now = new Date(nowMs).toISOString()
  // RFC 7519 §4.1.4: the current time MUST be before `exp`.
  if (nowMs - skewMs >= expiresAt.getTime())
    throw new PkiError(
      'ERR_JWT_EXPIRED',
      `the token expired at ${expiresAt.toISOString()}; the time is ${now} (J-8)`,
    )
  for (const begin of [notBefore, issuedAt]) {
    if (begin !== undefined && nowMs + skewMs < begin.getTime()) {
      throw new PkiError(
        'ERR_JWT_NOT_YET_VALID',
        `the token is valid from ${begin.toISOString()}; the time is ${now} (J-9)`,
      )
    }
  }
}

function checkEnd({ expiresAt }: JwtSvid, nowMs: number, maxTtlSeconds: number): void {
  if (expiresAt.getTime() <= nowMs + maxTtlSeconds * 1000) return
  throw new PkiError(
    'ERR_JWT_CLAIM',
    `exp is ${expiresAt.toISOString()}, more than ${maxTtlSeconds} s after ` +
      `${new Date(nowMs).toISOString()} (J-8)`,
  )
}

const defaultMaxTtlSeconds = 86_400
/** The same value as in go-spiffe. */
const defaultSkewSeconds = 60
const maxSkewSeconds = 300
