// A source of identities, bundles and JWT-SVIDs from a SPIFFE Workload API: the last verified state, served
// while it is valid.

import { eitherSignal } from '../../../internal/turns/waiting.ts'
import { PkiError } from '../../../errors/index.ts'
import { readOptions, requireSignal } from '../../../internal/options.ts'
import type { Clock, Logger } from '../../../runtime/index.ts'
import type { SecretSource, WorkloadSource, X509Identity, X509Source } from '../../../secrets/index.ts'
import type { WorkloadState, X509SourceStatus } from '../../../secrets/internal.ts'
import { LatestValue, StateSecrets, renewalPointMs } from '../../../secrets/internal.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import type { SpiffeIdMatcher, TrustDomain } from '../../../spiffe/index.ts'
import { TrustBundle } from '../../../svid/index.ts'
import type { JwtAuthority, JwtSvid } from '../../../svid/index.ts'
import type { EndpointChannel } from './endpoint-channel.ts'
import { FetchedJwtSvids } from './fetched-jwt-svids.ts'
import { readJwtBundles, readX509State } from './read-state.ts'
import { workloadMethods } from './service-definition.ts'

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
   * @throws ERR_SVID_UNAVAILABLE without `id` and `hint`, while the source has no SVID; ERR_WORKLOAD_API,
   * ERR_WORKLOAD_API_DENIED, ERR_ABORTED, ERR_CLOSED, ERR_SPIFFE_ID_INVALID, ERR_INVALID_ARGUMENT
   */
  fetchJwtSvid(request: JwtSvidOfWorkload): Promise<JwtSvid>
}

/** The source over one connection. */
export class ApiSource implements WorkloadApiSource {
  readonly workload: WorkloadSource & SecretSource
  readonly #channel: EndpointChannel
  readonly #jwtSvids: FetchedJwtSvids
  readonly #matches: SpiffeIdMatcher | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #closed = new AbortController()
  readonly #states = new LatestValue<WorkloadState>()
  readonly #identities = new LatestValue<X509Identity>()
  readonly #withdrawals = new LatestValue<undefined>()
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
    this.#jwtSvids = new FetchedJwtSvids(channel, this, clock)
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
    requireSignal('ready', signal)
    const valid = this.#valid()
    if (valid !== undefined) return valid
    const ended = this.#endOf(signal)
    for await (const identity of this.#identities.follow(ended))
      if (identity === this.#valid()) return identity
    throw this.#whyEnded('the wait for the first SVID was aborted')
  }

  /**
   * Requests the state from the Workload API again; whether that contains a new SVID depends on the Workload
   * API.
   */
  async renew(signal?: AbortSignal): Promise<X509Identity> {
    const ended = this.#endOf(signal)
    return new Promise<X509Identity>((resolve, reject) => {
      const stop = this.#identities.listen((identity) => {
        done()
        resolve(identity)
      })
      const end = (): void => {
        done()
        reject(this.#whyEnded('the renewal was aborted'))
      }
      const done = (): void => {
        stop()
        ended.removeEventListener('abort', end)
      }
      if (ended.aborted) {
        end()
        return
      }
      ended.addEventListener('abort', end)
      this.#channel.again()
    })
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    if (this.#denied) return undefined
    return this.#states.value?.bundles.find((bundle) => bundle.trustDomain.equals(trustDomain))
  }

  onChange(listener: (identity: X509Identity) => void): () => void {
    return this.#identities.listen(listener)
  }

  onWithdrawn(listener: () => void): () => void {
    return this.#withdrawals.listen(listener)
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
    const { id: wanted, hint, signal } = request
    // A hint selects among all identities (W-12); without a hint, the identity of the source is used.
    const own = wanted === undefined && hint === undefined ? this.current.svid.id : undefined
    const id = wanted === undefined ? own : SpiffeId.from(wanted)
    const [svid] = await this.#jwtSvids.fetch({ id, audience, hint, signal })
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

  #endOf(signal: AbortSignal | undefined): AbortSignal {
    return eitherSignal(signal, this.#closed.signal, this.#ended.signal)
  }

  #whyEnded(aborted: string): PkiError {
    if (this.#closed.signal.aborted) return new PkiError('ERR_CLOSED', 'the source was closed')
    return this.#final ?? new PkiError('ERR_ABORTED', aborted)
  }

  async #follow(): Promise<void> {
    const jwt = this.#channel.follow(
      workloadMethods.FetchJWTBundles,
      (message) =>
        this.#take(() => {
          this.#jwt = readJwtBundles(message, this.#logger)
        }),
      (error) => this.#logger.debug({ reason: error.message }, 'the stream of JWT bundles ended'),
    )
    const x509 = this.#channel.follow(
      workloadMethods.FetchX509SVID,
      (message) =>
        this.#take(() => {
          this.#x509 = readX509State(message, this.#clock.now(), this.#logger)
          this.#denied = false
          this.#lastError = undefined
        }),
      (error) => this.#fail(error),
    )
    await x509
    if (!this.#closed.signal.aborted) {
      this.#final = this.#lastError
      this.#ended.abort()
    }
    await jwt
  }

  /** An exception in the receipt of a message is uncaught, and would end the process. */
  #take(read: () => void): void {
    try {
      read()
      this.#publish()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const found =
      error instanceof PkiError ? error : new PkiError('ERR_WORKLOAD_API', String(error), { cause: error })
    this.#lastError = found
    this.#logger.warn({ code: found.code, reason: found.message }, 'the Workload API sent no new state')
    if (found.code !== 'ERR_WORKLOAD_API_DENIED' || this.#denied) return
    this.#denied = true
    if (this.#states.value === undefined) return
    this.#tell(() => this.#states.set(Object.freeze({ identities: [], bundles: [], crls: [] })))
    this.#tell(() => this.#withdrawals.set(undefined))
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
      // The bundles may have lost roots that the peers of open connections were verified with.
      this.#tell(() => this.#withdrawals.set(undefined))
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
      this.#logger.error({ reason: String(error) }, 'a listener of the source threw an error')
    }
  }

  #valid(): X509Identity | undefined {
    const identity = this.#identities.value
    if (identity === undefined || this.#denied) return undefined
    return identity.svid.leaf.notAfterMs >= this.#clock.now() ? identity : undefined
  }

  #workload(): WorkloadSource & SecretSource {
    const secrets = new StateSecrets(this.#states, this.#closed.signal)
    const states = this.#states
    return {
      get state() {
        return states.value
      },
      onChange: (listener) => states.listen(listener),
      fetchJwtSvids: (request) => this.#jwtSvids.fetchAsSource(request),
      get: (name, signal) => secrets.get(name, signal),
      watch: (name, signal) => secrets.watch(name, signal),
      watchNames: (signal) => secrets.watchNames(signal),
    }
  }
}
