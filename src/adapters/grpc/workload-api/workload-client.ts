// A source of identities, bundles and JWT-SVIDs from a SPIFFE Workload API, such as that of a SPIRE agent.

import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger } from '../../../runtime/internal.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { SecretSource, WorkloadSource, X509Identity, X509Source } from '../../../secrets/index.ts'
import type { X509SourceStatus } from '../../../secrets/internal.ts'
import type { WorkloadState } from '../../../secrets/internal.ts'
import { LatestValue, StateSecrets, renewalPointMs } from '../../../secrets/internal.ts'
import { SpiffeId, match } from '../../../spiffe/index.ts'
import type { SpiffeIdMatcher, TrustDomain } from '../../../spiffe/index.ts'
import { JwtSvid, TrustBundle, verifyJwtSvid } from '../../../svid/index.ts'
import type { JwtAuthority } from '../../../svid/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { parseEndpoint } from '../local-server/index.ts'
import { EndpointChannel } from './endpoint-channel.ts'
import { readJwtBundles, readX509State } from './read-state.ts'
import { workloadMethods } from './service-definition.ts'

/**
 * Options of `createWorkloadApiSource`.
 *
 * @inline
 */
export interface WorkloadApiSourceOptions {
  /** Default: the environment variable `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address?: string | undefined
  /**
   * Selects the identity of this process among several: a SPIFFE ID or a matcher. Default: the first (W-12).
   */
  readonly id?: SpiffeId | SpiffeIdMatcher | string
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

/**
 * The request for a JWT-SVID.
 *
 * @inline
 */
interface JwtSvidOfWorkload {
  /** The audience of the token: one name or several. */
  readonly audience: string | readonly string[]
  /** The identity of the token. Default: that of the source. */
  readonly id?: SpiffeId | string
  /** Selects the identity by its hint in the Workload API; `id` may then be omitted. */
  readonly hint?: string
  readonly signal?: AbortSignal | undefined
}

/** An `X509Source` whose SVID the Workload API renews. */
export interface WorkloadApiSource extends X509Source {
  /** The whole state from the Workload API: every identity, every bundle; also as named secrets. */
  readonly workload: WorkloadSource & SecretSource
  /**
   * A checked JWT-SVID: its SPIFFE ID and audience are the requested ones, and its signature is verified if
   * the JWT bundle is already available.
   *
   * @throws ERR_WORKLOAD_API, ERR_WORKLOAD_API_DENIED, ERR_ABORTED, ERR_CLOSED, ERR_SPIFFE_ID_INVALID,
   * ERR_INVALID_ARGUMENT
   */
  fetchJwtSvid(request: JwtSvidOfWorkload): Promise<JwtSvid>
}

const optionKinds: OptionKinds<WorkloadApiSourceOptions> = {
  address: 'optional',
  id: 'guard',
  clock: 'optional',
  logger: 'optional',
  grpc: 'optional',
}

/**
 * Connects to a Workload API and follows its state: `source.ready()` settles with the first SVID, and
 * `createTlsIdentity({ source })` uses it. Every response is verified. An invalid one is discarded, and the
 * previous state stays in use while it is valid. After PERMISSION_DENIED there is no SVID (W-6).
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT the address is absent or invalid (W-3)
 * @example
 * ```ts
 * await using agent = await createWorkloadApiSource({ address: 'unix:///run/spire/agent.sock' })
 * console.log((await agent.ready()).svid.id.toString())
 * ```
 */
export async function createWorkloadApiSource(
  given: WorkloadApiSourceOptions = {},
): Promise<WorkloadApiSource> {
  const options = readOptions('createWorkloadApiSource', given, optionKinds)
  const address = options.address ?? process.env['SPIFFE_ENDPOINT_SOCKET']
  if (address === undefined || address === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createWorkloadApiSource: address or SPIFFE_ENDPOINT_SOCKET is required (W-3)',
    )
  const what = options.address === undefined ? 'SPIFFE_ENDPOINT_SOCKET' : 'createWorkloadApiSource: address'
  const endpoint = parseEndpoint(address, what)
  const clock = options.clock ?? systemClock
  const logger = safeLogger('createWorkloadApiSource', options.logger)
  const { id } = options
  const matches = id === undefined || typeof id === 'function' ? id : match.id(id)
  const channel = new EndpointChannel({ grpc: await loadGrpc(options.grpc), endpoint, clock, logger })
  return new ApiSource(channel, matches, clock, logger)
}

class ApiSource implements WorkloadApiSource {
  readonly workload: WorkloadSource & SecretSource
  readonly #channel: EndpointChannel
  readonly #matches: SpiffeIdMatcher | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #closed = new AbortController()
  readonly #states = new LatestValue<WorkloadState>()
  readonly #identities = new LatestValue<X509Identity>()
  #x509: WorkloadState | undefined
  #jwt: ReadonlyMap<string, readonly JwtAuthority[]> = new Map()
  #denied = false
  /** Set after a permanent failure of the Workload API. */
  #final: PkiError | undefined
  #lastError: PkiError | undefined
  #ended = new AbortController()

  constructor(channel: EndpointChannel, matches: SpiffeIdMatcher | undefined, clock: Clock, logger: Logger) {
    this.#channel = channel
    this.#matches = matches
    this.#clock = clock
    this.#logger = logger
    this.workload = this.#workload()
    void this.#follow()
  }

  get current(): X509Identity {
    const identity = this.#valid()
    if (identity !== undefined) return identity
    const why = this.#lastError?.message ?? 'none has been received yet; await source.ready()'
    throw new PkiError('ERR_SVID_UNAVAILABLE', `no valid SVID: ${why}`, { cause: this.#lastError })
  }

  get status(): X509SourceStatus {
    const valid = this.#valid()
    const secondsLeft =
      valid === undefined ? 0 : Math.floor((valid.svid.leaf.notAfterMs - this.#clock.now()) / 1000)
    const served = this.#lastError === undefined ? 'current' : 'failing'
    const none = this.#identities.value === undefined || this.#denied ? 'waiting' : 'expired'
    return { state: valid === undefined ? none : served, secondsLeft, lastError: this.#lastError }
  }

  async ready(signal?: AbortSignal): Promise<X509Identity> {
    const valid = this.#valid()
    if (valid !== undefined) return valid
    const ended = AbortSignal.any([
      this.#closed.signal,
      this.#ended.signal,
      ...(signal === undefined ? [] : [signal]),
    ])
    for await (const identity of this.#identities.follow(ended))
      if (identity === this.#valid()) return identity
    if (this.#closed.signal.aborted) throw new PkiError('ERR_CLOSED', 'the source was closed')
    throw this.#final ?? new PkiError('ERR_ABORTED', 'the wait for the first SVID was aborted')
  }

  /**
   * Requests the state from the Workload API again; whether that contains a new SVID depends on the Workload
   * API.
   */
  async renew(signal?: AbortSignal): Promise<X509Identity> {
    const next = new Promise<X509Identity>((resolve) => {
      const stop = this.#identities.listen((identity) => {
        stop()
        resolve(identity)
      })
    })
    this.#channel.again()
    const ended = AbortSignal.any([
      this.#closed.signal,
      this.#ended.signal,
      ...(signal === undefined ? [] : [signal]),
    ])
    return Promise.race([
      next,
      new Promise<never>((_resolve, reject) => {
        const end = (): void => reject(this.#final ?? new PkiError('ERR_ABORTED', 'the renewal was aborted'))
        if (ended.aborted) end()
        else ended.addEventListener('abort', end, { once: true })
      }),
    ])
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    if (this.#denied) return undefined
    return this.#states.value?.bundles.find((bundle) => bundle.trustDomain.equals(trustDomain))
  }

  onChange(listener: (identity: X509Identity) => void): () => void {
    return this.#identities.listen(listener)
  }

  [Symbol.asyncIterator](): AsyncIterator<X509Identity> {
    return this.#identities.follow(this.#closed.signal)[Symbol.asyncIterator]()
  }

  async fetchJwtSvid(given: JwtSvidOfWorkload): Promise<JwtSvid> {
    const request = readOptions('fetchJwtSvid', given, {
      audience: 'required',
      id: 'guard',
      hint: 'guard',
      signal: 'optional',
    })
    const audience = typeof request.audience === 'string' ? [request.audience] : [...request.audience]
    const { hint, signal } = request
    // A hint selects among all identities (W-12); without a hint, the identity of the source is used.
    const own = hint === undefined ? this.current.svid.id : undefined
    const id = request.id === undefined ? own : SpiffeId.from(request.id)
    const [svid] = await this.#fetchJwtSvids({ id, audience, hint, signal })
    if (svid === undefined) {
      const what = hint === undefined ? '' : ` with the hint ${JSON.stringify(hint.slice(0, 64))}`
      throw new PkiError('ERR_WORKLOAD_API', `the Workload API returned no JWT-SVID${what}`)
    }
    return svid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    this.#channel.close()
  }

  async #follow(): Promise<void> {
    const jwt = this.#channel.follow(
      workloadMethods.FetchJWTBundles,
      (message) => {
        this.#jwt = readJwtBundles(message, this.#logger)
        this.#publish()
      },
      (error) => this.#logger.debug({ reason: error.message }, 'the stream of JWT bundles ended'),
    )
    const x509 = this.#channel.follow(
      workloadMethods.FetchX509SVID,
      (message) => {
        try {
          this.#x509 = readX509State(message, this.#clock.now(), this.#logger)
        } catch (error) {
          this.#fail(error)
          return
        }
        this.#denied = false
        this.#lastError = undefined
        this.#publish()
      },
      (error) => this.#fail(error),
    )
    await x509
    if (!this.#closed.signal.aborted) {
      this.#final = this.#lastError
      this.#ended.abort()
    }
    await jwt
  }

  #fail(error: unknown): void {
    const found =
      error instanceof PkiError ? error : new PkiError('ERR_WORKLOAD_API', String(error), { cause: error })
    this.#lastError = found
    this.#logger.warn({ code: found.code, reason: found.message }, 'the Workload API sent no new state')
    if (found.code !== 'ERR_WORKLOAD_API_DENIED' || this.#denied) return
    this.#denied = true
    if (this.#states.value !== undefined)
      this.#states.set(Object.freeze({ identities: [], bundles: [], crls: [] }))
  }

  #publish(): void {
    const x509 = this.#x509
    if (x509 === undefined || this.#denied) return
    const { identities, crls } = x509
    // All JWT bundles are replaced by those of this message: a missing one is withdrawn (R21).
    const names = new Set([...x509.bundles.map(({ trustDomain }) => trustDomain.name), ...this.#jwt.keys()])
    const bundles = [...names].map((name) => {
      const known = x509.bundles.find(({ trustDomain }) => trustDomain.name === name)
      const content = {
        x509Authorities: known?.x509Authorities ?? [],
        jwtAuthorities: this.#jwt.get(name) ?? [],
      }
      return new TrustBundle(name, content)
    })
    const state = Object.freeze({ identities, crls, bundles: Object.freeze(bundles) })
    this.#tell(() => this.#states.set(state))
    const chosen = identities.find(
      ({ svid }) => this.#matches === undefined || (this.#matches(svid.id) as unknown) === true,
    )
    if (chosen === undefined) {
      this.#fail(new PkiError('ERR_WORKLOAD_API', 'the Workload API does not have the expected identity'))
      return
    }
    const { svid, privateKey } = chosen
    const bundle = bundles.find(({ trustDomain }) => trustDomain.equals(svid.id.trustDomain)) as TrustBundle
    const { notBeforeMs, notAfterMs } = svid.leaf
    const renewAt = new Date(renewalPointMs({ notBeforeMs, notAfterMs, receivedMs: this.#clock.now() }))
    this.#tell(() => this.#identities.set(Object.freeze({ svid, privateKey, bundle, renewAt })))
  }

  /** An error of a listener is not an error of the Workload API. */
  #tell(set: () => void): void {
    try {
      set()
    } catch (error) {
      this.#logger.error({ reason: String(error) }, 'a listener of the source threw')
    }
  }

  #valid(): X509Identity | undefined {
    const identity = this.#identities.value
    if (identity === undefined || this.#denied) return undefined
    return identity.svid.leaf.notAfterMs >= this.#clock.now() ? identity : undefined
  }

  async #fetchJwtSvids({
    id,
    audience,
    hint,
    signal,
  }: {
    readonly id?: SpiffeId | undefined
    readonly audience: readonly string[]
    readonly hint?: string | undefined
    readonly signal?: AbortSignal | undefined
  }): Promise<readonly JwtSvid[]> {
    if (audience.length === 0 || audience.includes(''))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'audience must have at least one value, none of them empty')
    const { svids } = await this.#channel.call(
      workloadMethods.FetchJWTSVID,
      { audience: [...audience], spiffeId: id?.toString() ?? '' },
      signal,
    )
    if (svids.length > maxJwtSvids)
      throw new PkiError('ERR_WORKLOAD_API', `the Workload API returned ${svids.length} JWT-SVIDs`)
    const meant = svids.filter((answer) => hint === undefined || answer.hint === hint)
    // Of two with the same hint, the first is used (W-12).
    const chosen = hint === undefined ? meant : meant.slice(0, 1)
    return Promise.all(chosen.map((answer) => this.#checkJwtSvid(answer, id, audience)))
  }

  async #checkJwtSvid(
    { spiffeId, svid: token }: { readonly spiffeId: string; readonly svid: string },
    id: SpiffeId | undefined,
    audience: readonly string[],
  ): Promise<JwtSvid> {
    try {
      const svid = JwtSvid.parseUnverified(token)
      if (svid.id.toString() !== spiffeId || (id !== undefined && !svid.id.equals(id)))
        throw new PkiError('ERR_WORKLOAD_API', `the token is for ${svid.id.toString()}`)
      if (!audience.every((name) => svid.audience.includes(name)))
        throw new PkiError('ERR_WORKLOAD_API', 'the token does not have the requested audience')
      if (svid.expiresAt.getTime() <= this.#clock.now())
        throw new PkiError('ERR_WORKLOAD_API', `the token expired at ${svid.expiresAt.toISOString()}`)
      const known = this.bundleFor(svid.id.trustDomain)?.jwtAuthorities.length ?? 0
      return known === 0 ? svid : await verifyJwtSvid(token, { bundles: this, audience, clock: this.#clock })
    } catch (cause) {
      throw new PkiError('ERR_WORKLOAD_API', `a JWT-SVID of the Workload API is refused: ${String(cause)}`, {
        cause,
      })
    }
  }

  #workload(): WorkloadSource & SecretSource {
    const secrets = new StateSecrets(this.#states, this.#closed.signal)
    const states = this.#states
    return {
      get state() {
        return states.value
      },
      onChange: (listener) => states.listen(listener),
      fetchJwtSvids: (request) => this.#fetchJwtSvids(request),
      get: (name, signal) => secrets.get(name, signal),
      watch: (name, signal) => secrets.watch(name, signal),
      watchNames: (signal) => secrets.watchNames(signal),
    }
  }
}

const maxJwtSvids = 1_000
