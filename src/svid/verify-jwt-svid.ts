// JWT-SVIDs verified: JWT-SVID.md section 4, signatures by jose. Rules J-1 to J-13.

import { PkiError } from '../errors/index.ts'
import { checkMeasures } from '../internal/numbers.ts'
import { systemClock } from '../runtime/index.ts'
import type { Clock } from '../runtime/index.ts'
import { matchId, requireMatch } from '../spiffe/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../spiffe/index.ts'
import { requireBundle } from './bundle-source.ts'
import type { BundleSource } from './bundle-source.ts'
import type { JwtAuthority } from './jwt-authority.ts'
import { JwtSvid } from './jwt-svid.ts'

/** How a JWT-SVID is verified. */
export interface JwtSvidOptions {
  /** Bundles by trust domain; only that of the token's own trust domain is asked. */
  readonly bundles: BundleSource
  /** The verifier's own name, or names, one of which must be in `aud`. Never empty: there is no way to skip this check (J-10). */
  readonly audience: string | readonly string[]
  /** Whose token it must be. Default: anybody's of a trust domain that has a bundle; then authorise by `id` yourself. */
  readonly id?: SpiffeId | SpiffeIdMatcher | string | undefined
  /** The time to verify for; now if not given. */
  readonly time?: Date | undefined
  /** Where "now" comes from. */
  readonly clock?: Clock | undefined
  /** How far clocks may differ, in seconds, 0 to 300; 60 if not given (J-8). */
  readonly clockSkewSeconds?: number | undefined
}

/**
 * Verifies a token as it came, without `Bearer `.
 *
 * The key is looked up by `kid` in the bundle of the trust domain of `sub`, and nowhere else (J-6). `jti` is not tracked (J-13):
 * a bearer token can be replayed until it expires.
 *
 * @example
 * const { id } = await verifyJwtSvid(token, { bundles, audience: 'spiffe://example.org/ns/prod/sa/api' })
 *
 * @throws ERR_JWT_MALFORMED (J-1), ERR_JWT_ALGORITHM (J-3), ERR_JWT_HEADER (J-2, J-4, J-5), ERR_JWT_CLAIM (J-6 to J-9),
 *   ERR_BUNDLE_NOT_FOUND, ERR_JWT_KEY_UNKNOWN (J-12), ERR_JWT_SIGNATURE, ERR_JWT_EXPIRED (J-8), ERR_JWT_NOT_YET_VALID (J-9),
 *   ERR_JWT_AUDIENCE (J-7), ERR_SPIFFE_ID_MISMATCH, ERR_LIMIT_EXCEEDED
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for options that mean nothing
 */
export async function verifyJwtSvid(token: string, options: JwtSvidOptions): Promise<JwtSvid> {
  const wantedAudience = audiences((Object(options) as JwtSvidOptions).audience)
  const { nowMs, skewMs } = times(options)
  const wantedId =
    options.id === undefined || typeof options.id === 'function' ? options.id : matchId(options.id)
  const svid = JwtSvid.parseUnverified(token)
  const authority = findAuthority(svid, options.bundles)
  await checkSignature(svid, authority)
  // That took a while: a key that was taken out of the bundle meanwhile vouches for nothing any more (F-14).
  if (!findAuthority(svid, options.bundles).equals(authority))
    throw new PkiError(
      'ERR_JWT_KEY_UNKNOWN',
      'the key of the token was replaced while it was verified (J-12)',
    )
  checkTimes(svid, nowMs, skewMs)
  if (!svid.audience.some((name) => wantedAudience.includes(name))) {
    throw new PkiError('ERR_JWT_AUDIENCE', 'the token is for another audience (J-7)')
  }
  if (wantedId !== undefined) requireMatch(svid.id, wantedId)
  return svid
}

/** The audiences wanted, checked. @throws ERR_INVALID_ARGUMENT for none (J-10) */
export function audiences(wanted: string | readonly string[]): readonly string[] {
  const names: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted]
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'an audience is wanted, at least one and none empty (J-10)')
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
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the time to verify for is no valid Date')
  checkMeasures({ clockSkewSeconds }, 0, maxSkewSeconds)
  return { nowMs, skewMs: clockSkewSeconds * 1000 }
}

function findAuthority({ id, keyId, algorithm }: JwtSvid, bundles: BundleSource): JwtAuthority {
  const bundle = requireBundle(id.trustDomain, bundles)
  if (bundle.jwtAuthorities.length === 0) {
    throw new PkiError(
      'ERR_BUNDLE_NOT_FOUND',
      `the bundle of ${id.trustDomainName} has no JWT authority (J-12)`,
    )
  }
  const authority = bundle.jwtAuthority(keyId)
  if (authority === undefined)
    throw new PkiError(
      'ERR_JWT_KEY_UNKNOWN',
      `no key in the bundle of ${id.trustDomainName} has the kid of the token (J-12)`,
    )
  // RFC 8725 §3.1: the key says which algorithms it is for, not the token.
  if (!authority.algorithms.includes(algorithm))
    throw new PkiError('ERR_JWT_ALGORITHM', `${algorithm} does not fit the key (J-3)`)
  return authority
}

async function checkSignature({ token, algorithm }: JwtSvid, { publicKey }: JwtAuthority): Promise<void> {
  try {
    // Loaded when the first token comes: who uses certificates alone does not pay for it.
    const { compactVerify } = await import('jose/jws/compact/verify')
    await compactVerify(token, publicKey.keyObject(), { algorithms: [algorithm] })
  } catch (cause) {
    throw new PkiError('ERR_JWT_SIGNATURE', 'the signature of the token does not verify', { cause })
  }
}

function checkTimes({ expiresAt, notBefore, issuedAt }: JwtSvid, nowMs: number, skewMs: number): void {
  // RFC 7519 §4.1.4: the current time MUST be before `exp`.
  if (nowMs - skewMs >= expiresAt.getTime())
    throw new PkiError('ERR_JWT_EXPIRED', `the token expired at ${expiresAt.toISOString()} (J-8)`)
  for (const begin of [notBefore, issuedAt]) {
    if (begin !== undefined && nowMs + skewMs < begin.getTime()) {
      throw new PkiError('ERR_JWT_NOT_YET_VALID', `the token begins at ${begin.toISOString()} (J-9)`)
    }
  }
}

/** As go-spiffe has it. */
const defaultSkewSeconds = 60
const maxSkewSeconds = 300
