// Verifies service account tokens of Kubernetes locally, by the keys that each cluster publishes (KEP-1393),
// without a call per token.

import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { createGuardedFetcher, systemClock } from '../../runtime/index.ts'
import type { Clock, GuardedFetcher, Logger } from '../../runtime/index.ts'
import { checkLifetimes, safeLogger } from '../../runtime/internal.ts'
import type { DocumentLifetimes } from '../../runtime/internal.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { bearerToken } from '../jwt/bearer-token.ts'
import { IssuerKeys } from '../jwt/issuer-keys.ts'
import type { KeyFetching } from '../jwt/issuer-keys.ts'
import { readToken } from '../jwt/token.ts'
import type { UnverifiedToken } from '../jwt/token.ts'
import { checkClaims, requireAudience, tokenRefusal, tokenTimes } from '../jwt/verify-token.ts'
import { indexClusters, namedCluster } from './clusters.ts'
import {
  legacyIssuer,
  readLegacyClaims,
  readProjectedClaims,
  serviceAccountCaller,
} from './service-account.ts'

/** A cluster whose tokens are verified locally. @inline */
interface KubernetesCluster {
  /** The value that callers send in the header `clusterid`. */
  readonly name: string
  /** Further accepted names of the cluster. */
  readonly aliases?: readonly string[] | undefined
  /** The `iss` of its tokens (`--service-account-issuer`), compared exactly. */
  readonly issuer: string
  /** URL of its keys, in place of discovery: `https://API-SERVER/openid/v1/jwks`. */
  readonly jwksUri?: string
  /** Its keys as the text of a JWK Set, in place of fetching. */
  readonly jwks?: string
  /** Fetches from this cluster, with its roots, its networks and a token, which API servers require. */
  readonly fetcher?: GuardedFetcher
  /**
   * Also accepts tokens from Secrets, which have no audience, no expiry and no pod: a leaked token remains
   * valid indefinitely.
   */
  readonly dangerouslyAcceptLegacyTokens?: boolean | undefined
}

/** Options of `KubernetesTokenAuthenticator`. @inline */
export interface KubernetesTokenAuthenticatorOptions extends DocumentLifetimes {
  readonly trustDomain: TrustDomain | string
  /**
   * The name of this service, such as `istio-ca`, for which pods project their tokens. Must differ from the
   * audience of the API server.
   */
  readonly audience: string | readonly string[]
  readonly clusters: readonly KubernetesCluster[]
  /** Accepts only tokens that are bound to a pod. Default false. */
  readonly requirePod?: boolean
  /** Oldest token accepted, by `iat`, in seconds. Default 86,400. */
  readonly maxTokenAgeSeconds?: number
  /** Maximum clock difference, in seconds, 0 to 300. Default 60. */
  readonly clockSkewSeconds?: number
  /** Fetches from clusters that have no `fetcher`. Default `createGuardedFetcher()`. */
  readonly fetcher?: GuardedFetcher | undefined
  readonly clock?: Clock | undefined
  /** Receives a warning for each fetch that fails. Default: none. */
  readonly logger?: Logger | undefined
}

interface LocalCluster extends KubernetesCluster {
  readonly keys: IssuerKeys
}

/**
 * Authenticates by a service account token in `authorization: Bearer`. Checks signature, `iss`, `aud`, times,
 * and that `sub` agrees with the bound objects. A token of a deleted pod is accepted until it expires;
 * `TokenReviewAuthenticator` checks with the cluster instead.
 *
 * If the header `clusterid` is sent, the token must be from that cluster. Without the header, the issuer
 * determines the cluster if only one cluster has that issuer.
 *
 * @example
 * ```ts
 * const authenticator = new KubernetesTokenAuthenticator({
 *   trustDomain: 'cluster.local',
 *   audience: 'istio-ca',
 *   clusters: [{ name: 'Kubernetes', issuer: 'https://kubernetes.default.svc.cluster.local' }],
 * })
 * ```
 */
export class KubernetesTokenAuthenticator implements Authenticator, AsyncDisposable {
  /** `kubernetes-token`. */
  readonly name = 'kubernetes-token'
  readonly #trustDomain: string
  readonly #audience: readonly string[]
  readonly #times: ReturnType<typeof tokenTimes>
  readonly #requirePod: boolean
  readonly #clusters: ReadonlyMap<string, LocalCluster>
  readonly #byIssuer: ReadonlyMap<string, readonly LocalCluster[]>
  readonly #clock: Clock
  readonly #ownFetcher: GuardedFetcher | undefined

  /** @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID */
  constructor(options: KubernetesTokenAuthenticatorOptions) {
    const read = readOptions<KubernetesTokenAuthenticatorOptions>('KubernetesTokenAuthenticator', options, {
      trustDomain: 'required',
      audience: 'required',
      clusters: 'required',
      requirePod: 'guard',
      maxTokenAgeSeconds: 'guard',
      clockSkewSeconds: 'guard',
      fetcher: 'optional',
      clock: 'optional',
      logger: 'optional',
      cooldownSeconds: 'optional',
      minFreshSeconds: 'optional',
      maxFreshSeconds: 'optional',
      maxStaleSeconds: 'guard',
    })
    this.#trustDomain = TrustDomain.from(read.trustDomain).name
    this.#audience = requireAudience('KubernetesTokenAuthenticator', read.audience)
    this.#times = tokenTimes(read.maxTokenAgeSeconds, read.clockSkewSeconds)
    this.#requirePod = read.requirePod === true
    this.#clock = read.clock ?? systemClock
    this.#ownFetcher = read.fetcher === undefined ? createGuardedFetcher({ clock: this.#clock }) : undefined
    const fetching: KeyFetching = {
      fetcher: read.fetcher ?? (this.#ownFetcher as GuardedFetcher),
      lifetimes: checkLifetimes(read),
      clock: this.#clock,
      logger: safeLogger('KubernetesTokenAuthenticator', read.logger),
    }
    this.#clusters = indexClusters(
      'KubernetesTokenAuthenticator',
      read.clusters.map((cluster) => localCluster(cluster, fetching)),
    )
    this.#byIssuer = indexIssuers(new Set(this.#clusters.values()))
  }

  /**
   * @throws ERR_CREDENTIAL_INVALID; ERR_AUTHENTICATOR_UNAVAILABLE keys cannot be fetched; ERR_ABORTED,
   * ERR_CLOSED
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const text = bearerToken(request)
    if (text === undefined) return undefined
    try {
      const token = readToken(text)
      const { iss } = token.claims
      if (typeof iss !== 'string' || iss === '') throw new PkiError('ERR_JWT_CLAIM', 'the token has no iss')
      const cluster = this.#clusterOf(request, iss)
      if (cluster === undefined) return undefined
      const key = await cluster.keys.keyFor(token, request.signal)
      await key.verify(token)
      const account = this.#account(token, iss)
      if (this.#requirePod && account.podName === undefined)
        throw new PkiError('ERR_JWT_CLAIM', 'the token is not bound to a pod')
      return serviceAccountCaller(this.#trustDomain, account, cluster.name, token.claims)
    } catch (error) {
      throw tokenRefusal(error)
    }
  }

  #account({ claims }: UnverifiedToken, issuer: string): ReturnType<typeof readLegacyClaims> {
    const legacy = issuer === legacyIssuer
    checkClaims(
      claims,
      legacy
        ? { ...this.#times, audience: undefined, maxTokenAgeSeconds: undefined }
        : { ...this.#times, audience: this.#audience },
      this.#clock.now(),
    )
    return legacy ? readLegacyClaims(claims) : readProjectedClaims(claims)
  }

  /** Undefined if no cluster has that issuer. */
  #clusterOf(request: AuthenticationRequest, issuer: string): LocalCluster | undefined {
    const all = this.#byIssuer.get(issuer)
    if (all === undefined) return undefined
    const named = namedCluster(request, this.#clusters)
    if (named !== undefined) {
      if (all.includes(named)) return named
      throw new PkiError('ERR_JWT_CLAIM', `the issuer of the token is not that of the cluster ${named.name}`)
    }
    if (all.length === 1) return all[0]
    throw new PkiError(
      'ERR_JWT_CLAIM',
      'several clusters have the issuer of the token; expected clusterid to name one',
    )
  }

  /** Aborts running fetches, and closes the fetcher unless it was given as an option. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { keys } of this.#clusters.values()) await keys[Symbol.asyncDispose]()
    await this.#ownFetcher?.[Symbol.asyncDispose]()
  }
}

/** Clusters by the issuers of the tokens that they accept. */
function indexIssuers(clusters: Iterable<LocalCluster>): ReadonlyMap<string, readonly LocalCluster[]> {
  const index = new Map<string, LocalCluster[]>()
  for (const cluster of clusters) {
    const issuers = [
      cluster.issuer,
      ...(cluster.dangerouslyAcceptLegacyTokens === true ? [legacyIssuer] : []),
    ]
    for (const issuer of issuers) index.set(issuer, [...(index.get(issuer) ?? []), cluster])
  }
  return index
}

function localCluster(given: KubernetesCluster, fetching: KeyFetching): LocalCluster {
  const read = readOptions<KubernetesCluster>('KubernetesTokenAuthenticator: clusters', given, {
    name: 'required',
    aliases: 'optional',
    issuer: 'required',
    jwksUri: 'guard',
    jwks: 'guard',
    fetcher: 'guard',
    dangerouslyAcceptLegacyTokens: 'optional',
  })
  if (typeof read.issuer !== 'string' || read.issuer === '' || read.issuer === legacyIssuer)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'KubernetesTokenAuthenticator: a cluster needs the issuer of its tokens',
    )
  return { ...read, keys: new IssuerKeys(read, { ...fetching, fetcher: read.fetcher ?? fetching.fetcher }) }
}
