// JWT-SVIDs as credentials: of the own trust domain, or of a listed federated one.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { verifyJwtSvid } from '../../svid/index.ts'
import type { BundleSource } from '../../svid/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { bearerToken } from '../jwt/bearer-token.ts'
import { readToken } from '../jwt/token.ts'
import { requireAudience, tokenRefusal, tokenTimes } from '../jwt/verify-token.ts'
import { AcceptedTrustDomains } from './accepted-trust-domains.ts'
import type { TrustDomainOptions } from './accepted-trust-domains.ts'
import { checkCaller } from '../require-caller.ts'

/** Options of `JwtSvidAuthenticator`. @inline */
export interface JwtSvidAuthenticatorOptions extends TrustDomainOptions {
  /** Trust bundles by trust domain; only the bundle of the token's own trust domain is used. */
  readonly bundles: BundleSource
  /** The SPIFFE ID or name of this service, one of which must be in `aud`. */
  readonly audience: string | readonly string[]
  /** How far in the future `exp` may be, in seconds. Default 86,400. */
  readonly maxTtlSeconds?: number
  /** Maximum clock difference, in seconds, 0 to 300. Default 60. */
  readonly clockSkewSeconds?: number
  readonly clock?: Clock | undefined
}

/**
 * Authenticates by a JWT-SVID in `authorization: Bearer` (JWT-SVID.md). A token whose `sub` is not a SPIFFE
 * ID is not a credential of this kind.
 *
 * @example
 * ```ts
 * const audience = 'spiffe://example.org/ca'
 * const authenticator = new JwtSvidAuthenticator({ bundles, trustDomain: 'example.org', audience })
 * ```
 */
export class JwtSvidAuthenticator implements Authenticator {
  /** `jwt-svid`. */
  readonly name = 'jwt-svid'
  readonly #verify: Omit<JwtSvidAuthenticatorOptions, 'trustDomain' | 'federatesWith'>
  readonly #accepted: AcceptedTrustDomains

  /** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: JwtSvidAuthenticatorOptions) {
    const read = readOptions<JwtSvidAuthenticatorOptions>('JwtSvidAuthenticator', options, {
      trustDomain: 'required',
      federatesWith: 'optional',
      bundles: 'required',
      audience: 'required',
      maxTtlSeconds: 'guard',
      clockSkewSeconds: 'guard',
      clock: 'optional',
    })
    const { trustDomain, federatesWith, clock = systemClock, ...verify } = read
    if (typeof (verify.bundles as Partial<BundleSource>).bundleFor !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'JwtSvidAuthenticator: bundles has no method bundleFor')
    const { maxTokenAgeSeconds, clockSkewSeconds } = tokenTimes(verify.maxTtlSeconds, verify.clockSkewSeconds)
    this.#accepted = new AcceptedTrustDomains('JwtSvidAuthenticator', { trustDomain, federatesWith })
    this.#verify = {
      bundles: verify.bundles,
      audience: requireAudience('JwtSvidAuthenticator', verify.audience),
      maxTtlSeconds: maxTokenAgeSeconds,
      clockSkewSeconds,
      clock,
    }
  }

  /** @throws ERR_CREDENTIAL_INVALID */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const token = bearerToken(request)
    if (token === undefined) return undefined
    try {
      const { sub } = readToken(token).claims
      if (typeof sub !== 'string') throw new PkiError('ERR_JWT_CLAIM', 'the token has no sub')
      if (!sub.startsWith('spiffe://')) return undefined
      const svid = await verifyJwtSvid(token, this.#verify)
      const facts = this.#accepted.require(svid.id)
      const claims = { ...svid.claims, ...facts }
      return checkCaller({ identities: [svid.id], credential: 'jwt-svid', claims }, this.name)
    } catch (error) {
      throw tokenRefusal(error)
    }
  }
}
