// A verifier of JWT-SVIDs with a cache of accepted tokens.

import { createHash } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { LruMap } from '../../internal/lru-map.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { BundleSource } from '../bundle-source.ts'
import type { JwtAuthority } from './jwt-authority.ts'
import type { JwtSvid } from './jwt-svid.ts'
import { verifyJwtSvid } from './verify-jwt-svid.ts'

/** Options of `createJwtVerifier`. @inline */
export interface JwtVerifierOptions {
  /** Bundles by trust domain; only the bundle of the token's own trust domain is used. */
  readonly bundles: BundleSource
  /** Maximum number of remembered tokens; 0 disables the cache. Default 10,000. */
  readonly maxTokens?: number | undefined
  /** Maximum clock difference, in seconds, 0 to 300. Default 60 (J-8). */
  readonly clockSkewSeconds?: number
  /** How far in the future `exp` may be, in seconds. Default 86,400. */
  readonly maxTtlSeconds?: number
  readonly clock?: Clock | undefined
}

/** Verifies JWT-SVIDs; a repeated token needs no further signature check. @inline */
export interface JwtVerifier {
  /**
   * The token, verified for this audience. An accepted token is remembered by its SHA-256 and the audience
   * until its `exp`. A refused one is verified again each time. A remembered token is refused as soon as its
   * key is removed from the bundle.
   *
   * @throws as `verifyJwtSvid`
   */
  verify(token: string, audience: string): Promise<JwtSvid>
}

interface Accepted {
  readonly svid: JwtSvid
  readonly authority: JwtAuthority
  /** The time of verification; for an earlier time, `nbf` and `iat` are verified again. */
  readonly sinceMs: number
  readonly endMonotonicMs: number
}

const optionKinds: OptionKinds<JwtVerifierOptions> = {
  bundles: 'required',
  maxTokens: 'optional',
  clockSkewSeconds: 'guard',
  maxTtlSeconds: 'guard',
  clock: 'optional',
}

/**
 * Creates a verifier of JWT-SVIDs for a service that receives the same token many times.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const verifier = createJwtVerifier({ bundles })
 * const { id } = await verifier.verify(token, 'orders-api')
 * ```
 */
export function createJwtVerifier(options: JwtVerifierOptions): JwtVerifier {
  const read = readOptions('createJwtVerifier', options, optionKinds)
  const { maxTokens = 10_000, ...rules } = read
  const { bundles, clock = systemClock } = rules
  checkCounts({ maxTokens }, 0)
  if (typeof (bundles as Partial<BundleSource>).bundleFor !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createJwtVerifier: bundles must be a BundleSource, found ${nameOf(bundles)}`,
    )
  const accepted = new LruMap<string, Accepted>(maxTokens)
  const authorityOf = ({ id, keyId }: JwtSvid): JwtAuthority | undefined => {
    const bundle = bundles.bundleFor(id.trustDomain)
    return bundle?.trustDomain.equals(id.trustDomain) === true ? bundle.jwtAuthority(keyId) : undefined
  }
  const isStillValid = ({ svid, authority, sinceMs, endMonotonicMs }: Accepted): boolean => {
    const nowMs = clock.now()
    const within = nowMs >= sinceMs && nowMs < svid.expiresAt.getTime()
    return within && clock.monotonic() < endMonotonicMs && authorityOf(svid)?.equals(authority) === true
  }
  return Object.freeze({
    async verify(token: string, audience: string): Promise<JwtSvid> {
      // A list of audiences would be remembered as the one text that it is joined to.
      if (typeof audience !== 'string')
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `verify: audience must be a string, found ${nameOf(audience)}`,
        )
      const key = rememberedAs(token, audience)
      const known = accepted.get(key)
      if (known !== undefined) {
        if (isStillValid(known)) return known.svid
        accepted.delete(key)
      }
      const svid = await verifyJwtSvid(token, { ...rules, audience })
      const authority = authorityOf(svid)
      const sinceMs = clock.now()
      const leftMs = svid.expiresAt.getTime() - sinceMs
      // Within the clock skew after `exp` a token is accepted, but not remembered.
      if (leftMs > 0 && authority !== undefined)
        accepted.set(key, { svid, authority, sinceMs, endMonotonicMs: clock.monotonic() + leftMs })
      return svid
    },
  })
}

/**
 * A digest, because stored tokens are as sensitive as passwords. `verifyJwtSvid` refuses values that are not
 * tokens.
 */
function rememberedAs(token: string, audience: string): string {
  const isToken = typeof token === 'string' && token.length <= 16 * 1024
  return isToken ? `${createHash('sha256').update(token).digest('base64')} ${audience}` : ''
}
