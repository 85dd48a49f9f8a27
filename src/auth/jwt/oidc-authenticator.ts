// Authenticates by tokens of OpenID Connect issuers (CI systems, clouds, identity providers), whose claims a
// template or a function maps to SPIFFE IDs.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { JsonObject } from '../../internal/json.ts'
import { createGuardedFetcher, systemClock } from '../../runtime/index.ts'
import type { Clock, GuardedFetcher, Logger } from '../../runtime/index.ts'
import { checkLifetimes, safeLogger } from '../../runtime/internal.ts'
import type { DocumentLifetimes } from '../../runtime/internal.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import { isJwtSvidAlgorithm, jwtSvidAlgorithms } from '../../svid/internal.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { bearerToken } from './bearer-token.ts'
import { compilePatterns, compileRequiredClaims, compileTemplate } from './claim-template.ts'
import type { IdentityMapping } from './claim-template.ts'
import { IssuerKeys } from './issuer-keys.ts'
import type { KeyFetching } from './issuer-keys.ts'
import { readToken } from './token.ts'
import type { TokenAlgorithm } from './token.ts'
import { checkClaims, requireAudience, tokenRefusal, tokenTimes } from './verify-token.ts'
import type { TokenRules } from './verify-token.ts'

type ClaimValue = string | number | boolean

/** One issuer of tokens, and the rules for its tokens. @inline */
export interface OidcIssuer {
  /** The `iss` of its tokens, compared exactly, including a trailing slash. */
  readonly issuer: string
  /** The name or names of this service, one of which must be in `aud`. */
  readonly audience: string | readonly string[]
  /**
   * Determines the caller's identity: a template such as `spiffe://example.org/ci/{owner}/{repo}`, or a
   * function of the verified claims. A segment of a template is a literal or one `{claim}`; `{/a/b}` is a
   * JSON Pointer into nested claims. A claim that is not a valid path segment is refused.
   */
  readonly identity: string | ((claims: Readonly<Record<string, unknown>>) => SpiffeId | string)
  /** Splits claims: `{ repository: '{owner}/{repo}' }` provides `{owner}` and `{repo}` for the template. */
  readonly extract?: Readonly<Record<string, string>> | undefined
  /**
   * Claims that must have this value, or one of these values. Without this option, every account at the
   * issuer is accepted as a caller.
   */
  readonly requiredClaims?: Readonly<Record<string, ClaimValue | readonly ClaimValue[]>>
  /**
   * Accepted `alg` values, out of RS, PS and ES 256, 384, 512. Default: all nine. The key of a token
   * restricts them further.
   */
  readonly algorithms?: readonly TokenAlgorithm[]
  /** Oldest token accepted, by `iat`, in seconds. Default 86,400. */
  readonly maxTokenAgeSeconds?: number
  /** URL of the keys, in place of discovery. */
  readonly jwksUri?: string
  /** The keys as the text of a JWK Set, in place of fetching. */
  readonly jwks?: string
  /**
   * Fetches from this issuer, in place of the authenticator's fetcher: for issuers with separate roots or
   * networks.
   */
  readonly fetcher?: GuardedFetcher
}

/** Options of `OidcAuthenticator`. @inline */
export interface OidcAuthenticatorOptions extends DocumentLifetimes {
  /** At least one; each `issuer` once. */
  readonly issuers: readonly OidcIssuer[]
  /** Fetches discovery documents and keys. Default `createGuardedFetcher()`. */
  readonly fetcher?: GuardedFetcher | undefined
  /** Maximum clock difference, in seconds, 0 to 300. Default 60. */
  readonly clockSkewSeconds?: number
  /** Name of the header that contains `Bearer` and the token. Default `authorization`. */
  readonly header?: string | undefined
  readonly clock?: Clock | undefined
  /** Receives a warning for each fetch that fails. Default: none. */
  readonly logger?: Logger | undefined
}

interface Issuer {
  readonly keys: IssuerKeys
  readonly rules: TokenRules
  readonly algorithms: readonly TokenAlgorithm[]
  readonly checkRequired: (claims: JsonObject) => void
  readonly identities: IdentityMapping
}

/**
 * Authenticates by an ID token or JWT access token in `authorization: Bearer`. A token of an unlisted issuer
 * is not a credential of this kind.
 *
 * Refused are: several values of the header; headers that contain a key; an `alg` that is not listed or not
 * valid for the key; a wrong or absent `aud`; a token that is expired, not yet valid or too old; claims that
 * do not match the identity template. The reason is the `cause` of the error.
 *
 * @example
 * ```ts
 * const authenticator = new OidcAuthenticator({
 *   issuers: [
 *     oidcRecipes.gitHubActions({
 *       trustDomain: 'example.org',
 *       audience: 'spiffe-pki',
 *       owners: ['octo-org'],
 *     }),
 *   ],
 * })
 * ```
 */
export class OidcAuthenticator implements Authenticator, AsyncDisposable {
  /** `oidc`. */
  readonly name = 'oidc'
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #header: string | undefined
  readonly #clock: Clock
  readonly #ownFetcher: GuardedFetcher | undefined

  /** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: OidcAuthenticatorOptions) {
    const read = readOptions<OidcAuthenticatorOptions>('OidcAuthenticator', options, {
      issuers: 'required',
      fetcher: 'optional',
      clockSkewSeconds: 'guard',
      header: 'optional',
      clock: 'optional',
      logger: 'optional',
      cooldownSeconds: 'optional',
      minFreshSeconds: 'optional',
      maxFreshSeconds: 'optional',
      maxStaleSeconds: 'guard',
    })
    this.#clock = read.clock ?? systemClock
    const listed: unknown = read.issuers
    if (!Array.isArray(listed)) throw badIssuer('issuers must be a list')
    if (read.header !== undefined && typeof read.header !== 'string') throw badIssuer('header must be text')
    this.#header = read.header?.toLowerCase()
    this.#ownFetcher = read.fetcher === undefined ? createGuardedFetcher({ clock: this.#clock }) : undefined
    const fetching: KeyFetching = {
      fetcher: read.fetcher ?? (this.#ownFetcher as GuardedFetcher),
      lifetimes: checkLifetimes(read),
      clock: this.#clock,
      logger: safeLogger('OidcAuthenticator', read.logger),
    }
    const issuers = new Map<string, Issuer>()
    for (const given of read.issuers) {
      const issuer = compileIssuer(given, fetching, read.clockSkewSeconds)
      if (issuers.has(given.issuer)) throw badIssuer(`the issuer ${given.issuer} is listed twice`)
      issuers.set(given.issuer, issuer)
    }
    if (issuers.size === 0) throw badIssuer('issuers is empty, so every token would be refused')
    this.#issuers = issuers
  }

  /**
   * @throws ERR_CREDENTIAL_INVALID; ERR_AUTHENTICATOR_UNAVAILABLE keys cannot be fetched; ERR_ABORTED,
   * ERR_CLOSED
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const text = bearerToken(request, this.#header)
    if (text === undefined) return undefined
    try {
      const token = readToken(text)
      const { iss } = token.claims
      if (typeof iss !== 'string' || iss === '') throw new PkiError('ERR_JWT_CLAIM', 'the token has no iss')
      const issuer = this.#issuers.get(iss)
      if (issuer === undefined) return undefined
      if (!issuer.algorithms.includes(token.algorithm))
        throw new PkiError('ERR_JWT_ALGORITHM', `${token.algorithm} is not an accepted algorithm of ${iss}`)
      const key = await issuer.keys.keyFor(token, request.signal)
      await key.verify(token)
      checkClaims(token.claims, issuer.rules, this.#clock.now())
      issuer.checkRequired(token.claims)
      return { identities: issuer.identities(token.claims), credential: 'oidc', claims: token.claims }
    } catch (error) {
      throw tokenRefusal(error)
    }
  }

  /** Aborts running fetches, and closes the fetcher unless it was given as an option. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { keys } of this.#issuers.values()) await keys[Symbol.asyncDispose]()
    await this.#ownFetcher?.[Symbol.asyncDispose]()
  }
}

function compileIssuer(given: OidcIssuer, fetching: KeyFetching, skew: number | undefined): Issuer {
  const read = readOptions<OidcIssuer>('OidcAuthenticator: issuers', given, {
    issuer: 'required',
    audience: 'required',
    identity: 'required',
    extract: 'optional',
    requiredClaims: 'guard',
    algorithms: 'guard',
    maxTokenAgeSeconds: 'guard',
    jwksUri: 'guard',
    jwks: 'guard',
    fetcher: 'guard',
  })
  const { issuer, identity, extract = {}, requiredClaims = {}, algorithms = jwtSvidAlgorithms } = read
  if (typeof issuer !== 'string' || issuer === '') throw badIssuer('issuer must be a non-empty string')
  if (read.jwks !== undefined && read.jwksUri !== undefined)
    throw badIssuer(`${issuer}: jwks and jwksUri exclude each other`)
  if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every(isJwtSvidAlgorithm))
    throw badIssuer(`${issuer}: algorithms must list at least one of ${jwtSvidAlgorithms.join(', ')}`)
  return {
    keys: new IssuerKeys(read, { ...fetching, fetcher: read.fetcher ?? fetching.fetcher }),
    rules: {
      audience: requireAudience(`OidcAuthenticator: ${issuer}`, read.audience),
      ...tokenTimes(read.maxTokenAgeSeconds, skew),
    },
    algorithms: [...algorithms],
    checkRequired: compileRequiredClaims(`OidcAuthenticator: ${issuer}`, requiredClaims),
    identities:
      typeof identity === 'function' ? byCode(identity) : compileTemplate(identity, compilePatterns(extract)),
  }
}

function byCode(identity: (claims: Readonly<Record<string, unknown>>) => SpiffeId | string): IdentityMapping {
  return (claims) => {
    try {
      return [SpiffeId.from(identity(claims))]
    } catch (cause) {
      if (isPkiError(cause)) throw cause
      throw new PkiError('ERR_JWT_CLAIM', 'the function identity returned no SPIFFE ID', { cause })
    }
  }
}

function badIssuer(what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `OidcAuthenticator: ${what}`)
}
