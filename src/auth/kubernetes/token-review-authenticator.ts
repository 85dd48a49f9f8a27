// Service account tokens of Kubernetes reviewed by their cluster: the token of a deleted pod or account is
// refused.

import { PkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, GuardedFetcher } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { bearerToken } from '../jwt/bearer-token.ts'
import { readToken } from '../jwt/token.ts'
import { requireAudience, tokenRefusal } from '../jwt/verify-token.ts'
import { authenticationError } from '../require-caller.ts'
import { indexClusters, namedCluster } from './clusters.ts'
import { ReviewCache } from './review-cache.ts'
import { readUserName, serviceAccountCaller } from './service-account.ts'
import { reviewToken } from './token-review.ts'

/** A cluster whose API server reviews tokens. @inline */
export interface TokenReviewCluster {
  /** The value that callers send in the header `clusterid`. */
  readonly name: string
  /** Further accepted names of the cluster. */
  readonly aliases?: readonly string[] | undefined
  /** `https://HOST:PORT` of the API server. */
  readonly server: string
  /** Has the roots of the API server, its network, and a token that may create TokenReviews. */
  readonly fetcher: GuardedFetcher
}

/** Options of `TokenReviewAuthenticator`. @inline */
export interface TokenReviewAuthenticatorOptions {
  readonly trustDomain: TrustDomain | string
  /** The name of this service, such as `istio-ca`: sent with each review, and required in the response. */
  readonly audience: string | readonly string[]
  /** One or several; with several, callers must name their cluster. */
  readonly clusters: readonly TokenReviewCluster[]
  /**
   * How long a positive result is reused, in seconds, 0 to 60, and never past the expiry of the token.
   * Default 60.
   */
  readonly cacheSeconds?: number
  /** Maximum number of concurrent reviews; further ones are refused. Default 256. */
  readonly maxInFlight?: number
  readonly clock?: Clock | undefined
}

/**
 * Authenticates by a service account token in `authorization: Bearer`. Only the cluster named in `clusterid`
 * reviews the token.
 *
 * A cluster that does not answer causes ERR_AUTHENTICATOR_UNAVAILABLE, missing RBAC causes
 * ERR_KUBERNETES_FORBIDDEN; the cluster is then not called for one second. A token that is not a service
 * account token is not a credential of this kind.
 *
 * @example
 * ```ts
 * const fetcher = createGuardedFetcher({
 *   allowedNetworks: ['10.96.0.0/12'],
 *   caCertificates,
 *   bearerToken: () => readFile(tokenFile, 'utf8'),
 * })
 * const authenticator = new TokenReviewAuthenticator({
 *   trustDomain: 'cluster.local',
 *   audience: 'istio-ca',
 *   clusters: [{ name: 'Kubernetes', server: 'https://10.96.0.1', fetcher }],
 * })
 * declare const caCertificates: string, tokenFile: string, readFile: (file: string, encoding: 'utf8') =>
 * Promise<string>
 * ```
 */
export class TokenReviewAuthenticator implements Authenticator, AsyncDisposable {
  /** `token-review`. */
  readonly name = 'token-review'
  readonly #trustDomain: string
  readonly #audiences: readonly string[]
  readonly #clusters: ReadonlyMap<string, TokenReviewCluster>
  readonly #only: TokenReviewCluster | undefined
  readonly #clock: Clock
  readonly #cache: ReviewCache

  /** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: TokenReviewAuthenticatorOptions) {
    const read = readOptions<TokenReviewAuthenticatorOptions>('TokenReviewAuthenticator', options, {
      trustDomain: 'required',
      audience: 'required',
      clusters: 'required',
      cacheSeconds: 'guard',
      maxInFlight: 'guard',
      clock: 'optional',
    })
    const { cacheSeconds = 60, maxInFlight = 256 } = read
    checkMeasures({ cacheSeconds }, 0, 60)
    checkCounts({ maxInFlight }, 1)
    this.#trustDomain = TrustDomain.from(read.trustDomain).name
    this.#audiences = requireAudience('TokenReviewAuthenticator', read.audience)
    this.#clusters = indexClusters('TokenReviewAuthenticator', read.clusters.map(checkCluster))
    const different = new Set(this.#clusters.values())
    this.#only = different.size === 1 ? [...different][0] : undefined
    this.#clock = read.clock ?? systemClock
    this.#cache = new ReviewCache(this.#clock, cacheSeconds, maxInFlight)
  }

  /**
   * @throws ERR_CREDENTIAL_INVALID, ERR_KUBERNETES_FORBIDDEN, ERR_AUTHENTICATOR_UNAVAILABLE, ERR_OVERLOADED,
   * ERR_ABORTED, ERR_CLOSED
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const token = bearerToken(request)
    if (token === undefined) return undefined
    try {
      const { claims } = readToken(token)
      if (readUserName(claims['sub']) === undefined) return undefined
      const expiresAt = this.#endOf(claims['exp'])
      const cluster = namedCluster(request, this.#clusters) ?? this.#only
      if (cluster === undefined)
        throw authenticationError(
          `clusterid is absent; expected one of ${[...this.#clusters.keys()].join(', ')}`,
        )
      const account = await this.#cache.account({
        token,
        cluster: cluster.name,
        expiresAt,
        signal: request.signal,
        run: (signal) => reviewToken(cluster, token, this.#audiences, signal),
      })
      // The claims are not verified locally: the result contains only the response of the API server.
      return serviceAccountCaller(this.#trustDomain, account, cluster.name, {
        ...account,
        cluster: cluster.name,
      })
    } catch (error) {
      throw tokenRefusal(error)
    }
  }

  /** An expired token is refused without a review; undefined for a token without `exp`. */
  #endOf(exp: unknown): number | undefined {
    if (exp === undefined) return undefined
    if (typeof exp !== 'number') throw new PkiError('ERR_JWT_CLAIM', 'exp is not a NumericDate')
    if (exp * 1000 <= this.#clock.now()) throw new PkiError('ERR_JWT_EXPIRED', 'the token has expired')
    return exp * 1000
  }

  /** Aborts running reviews. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cache.close()
  }
}

function checkCluster(given: TokenReviewCluster): TokenReviewCluster {
  const read = readOptions<TokenReviewCluster>('TokenReviewAuthenticator: clusters', given, {
    name: 'required',
    aliases: 'optional',
    server: 'required',
    fetcher: 'required',
  })
  if (typeof (read.fetcher as Partial<GuardedFetcher>).fetch !== 'function' || !isOrigin(read.server))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `TokenReviewAuthenticator: the cluster ${read.name} needs a server such as https://10.96.0.1 ` +
        'and a fetcher',
    )
  return read
}

function isOrigin(server: string): boolean {
  return typeof server === 'string' && /^https?:\/\/[^/?#@]+$/.test(server)
}
