// A source of the X.509-SVID of a workload, with automatic renewal: new key, request, verified response.

import type { KeyObject } from 'node:crypto'
import { PkiError, isPkiError } from '../errors/index.ts'
import { isPresentedName } from '../internal/host-text.ts'
import { checkCounts } from '../internal/numbers.ts'
import { readOptions } from '../internal/options.ts'
import type { OptionKinds } from '../internal/options.ts'
import { abortable, waitFor } from '../internal/turns/waiting.ts'
import { SoftwareSigner } from '../keys/index.ts'
import type { KeyAlgorithm } from '../keys/index.ts'
import { metricNames, systemClock } from '../runtime/index.ts'
import { safeLogger, safeMetrics } from '../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../runtime/index.ts'
import { match } from '../spiffe/index.ts'
import type { SpiffeId, SpiffeIdMatcher, TrustDomain } from '../spiffe/index.ts'
import type { BundleSource, TrustBundle, X509Svid } from '../svid/index.ts'
import { buildCertificateRequest, generalName } from '../x509/index.ts'
import { backoffMs, deviate } from './renewal/backoff.ts'
import type { CaClient } from './ca-client.ts'
import { checkCaAnswer } from './check-ca-answer.ts'
import { LatestValue } from './latest-value.ts'
import type { RenewalPace } from './renewal/renewal-pace.ts'
import { RenewalQueue } from './renewal/renewal-queue.ts'
import { checkRenewalPolicy, defaultRenewalPolicy, renewalPointMs } from './renewal/renewal-schedule.ts'
import { TaintWatch, spreadPointMs } from './renewal/taint-watch.ts'
import type { RenewalPolicy } from './renewal/renewal-schedule.ts'

/** The current identity of a workload, with everything that TLS needs. */
export interface X509Identity {
  readonly svid: X509Svid
  readonly privateKey: KeyObject
  /** The authorities of the SVID's own trust domain. */
  readonly bundle: TrustBundle
  /** When the source renews the SVID. */
  readonly renewAt: Date
}

/** The state of a source. @inline */
export interface X509SourceStatus {
  /**
   * `waiting` for the first SVID, `current`, `failing` (renewal fails, the SVID is still valid) or `expired`.
   */
  readonly state: 'waiting' | 'current' | 'failing' | 'expired'
  /** How long the current SVID remains valid, in seconds; 0 without one. */
  readonly secondsLeft: number
  /** Why the last attempt failed; undefined after a success. */
  readonly lastError: Error | undefined
}

/** Options of `createX509Source`. @inline */
export interface X509SourceOptions {
  /** The CA that issues the certificates. */
  readonly ca: CaClient
  /** The expected identity: one SPIFFE ID, or a matcher such as `matchMemberOf('example.org')`. */
  readonly id: SpiffeId | SpiffeIdMatcher | string
  /**
   * Configured authorities: responses of the CA are verified with those of the own trust domain; federated
   * ones are included in the bundle set. Default: the roots of each response.
   */
  readonly bundles?: BundleSource
  /** The algorithm of each new key. Default `P-256`. */
  readonly algorithm?: KeyAlgorithm | undefined
  /**
   * DNS names to request beside the identity, for clients that go by host names; the policy of the CA must
   * allow them. Default: none.
   */
  readonly dnsNames?: readonly string[] | undefined
  /** The validity to request; default: decided by the CA. */
  readonly ttlSeconds?: number | undefined
  /** When to renew; default half of the validity ± 1 %. */
  readonly renewal?: Partial<RenewalPolicy> | undefined
  /**
   * Over how long renewals are spread when the CA says that the authority above the certificate is tainted,
   * in seconds: each source draws its own time. Default 300.
   */
  readonly taintSpreadSeconds?: number | undefined
  /** How far in the future notBefore may be, for clock differences, in seconds. Default 60. */
  readonly maxClockSkewSeconds?: number | undefined
  readonly clock?: Clock | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

/** The current SVID of a workload, and the bundles to verify its peers with. */
export interface X509Source extends BundleSource, AsyncDisposable, AsyncIterable<X509Identity> {
  /** @throws ERR_SVID_UNAVAILABLE before the first response of the CA, and after the SVID has expired */
  readonly current: X509Identity
  readonly status: X509SourceStatus
  /** Resolves when there is a valid SVID. @throws ERR_ABORTED, ERR_CLOSED */
  ready(signal?: AbortSignal): Promise<X509Identity>
  /**
   * Obtains a new SVID now; concurrent calls share one request. @throws the errors of the CA client,
   * ERR_CA_REPLY, ERR_CLOSED
   */
  renew(signal?: AbortSignal): Promise<X509Identity>
  /** Calls `listener` after each new SVID or bundle. Returns a function that stops it. */
  onChange(listener: (identity: X509Identity) => void): () => void
}

/**
 * Obtains an SVID and renews it until the source is disposed. While the CA cannot be reached, the current
 * SVID is used until it expires; `status` gives the remaining time.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const ca = localCaClient(issuance, caller)
 * await using source = createX509Source({ ca, id: 'spiffe://example.org/ns/prod/sa/api' })
 * await source.ready()
 * console.log(source.current.svid.leaf.notAfter)
 * ```
 */
export function createX509Source(options: X509SourceOptions): X509Source {
  return new RenewingX509Source(readOptions('createX509Source', options, optionKinds))
}

const optionKinds: OptionKinds<X509SourceOptions> = {
  ca: 'required',
  id: 'required',
  bundles: 'guard',
  algorithm: 'optional',
  dnsNames: 'optional',
  ttlSeconds: 'optional',
  renewal: 'optional',
  taintSpreadSeconds: 'optional',
  maxClockSkewSeconds: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/** What the sources of one process share. */
export interface SharedRenewals {
  readonly queue: RenewalQueue
  readonly pace: RenewalPace
  /** Runs an attempt when it is its turn. */
  readonly inTurn: (attempt: () => Promise<X509Identity>) => Promise<X509Identity>
}

/** The `X509Source` over a CA. */
export class RenewingX509Source implements X509Source {
  readonly #options: Readonly<X509SourceOptions>
  readonly #matchesId: SpiffeIdMatcher
  readonly #requested: Parameters<typeof buildCertificateRequest>[0]
  readonly #renewal: RenewalPolicy
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #queue: RenewalQueue
  readonly #shared: SharedRenewals | undefined
  readonly #closed = new AbortController()
  readonly #latest = new LatestValue<X509Identity>()
  readonly #taints: TaintWatch
  #renewing: Promise<X509Identity> | undefined
  #cancelRenewal: (() => void) | undefined
  #lastError: Error | undefined
  #failures = 0

  constructor(options: Readonly<X509SourceOptions>, shared?: SharedRenewals) {
    const { ca, id, ttlSeconds, maxClockSkewSeconds, taintSpreadSeconds } = options
    if (typeof (ca as Partial<CaClient>).issue !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'createX509Source: ca must be a CaClient: an object with issue()',
      )
    checkCounts({ ttlSeconds, maxClockSkewSeconds, taintSpreadSeconds }, 0)
    this.#options = options
    this.#matchesId = typeof id === 'function' ? id : match.id(id)
    this.#requested = requestFor(options.dnsNames)
    this.#renewal = { ...defaultRenewalPolicy, ...options.renewal }
    checkRenewalPolicy(this.#renewal)
    this.#clock = options.clock ?? systemClock
    this.#logger = safeLogger('X509Source', options.logger)
    this.#metrics = safeMetrics('X509Source', options.metrics)
    this.#shared = shared
    this.#queue = shared?.queue ?? new RenewalQueue(this.#clock)
    this.#taints = new TaintWatch(ca, () => this.#leaveTainted())
    this.#renewInBackground()
  }

  get current(): X509Identity {
    const identity = this.valid
    if (identity !== undefined) return identity
    throw new PkiError('ERR_SVID_UNAVAILABLE', this.#whyNone(), { cause: this.#lastError })
  }

  /** Whether an attempt is being made, or waits for its turn. */
  get isRenewing(): boolean {
    return this.#renewing !== undefined
  }

  get status(): X509SourceStatus {
    const identity = this.#latest.value
    const valid = this.valid
    const secondsLeft =
      valid === undefined ? 0 : Math.floor((valid.svid.leaf.notAfterMs - this.#clock.now()) / 1000)
    const served = this.#lastError === undefined ? 'current' : 'failing'
    const state = identity === undefined ? 'waiting' : valid === undefined ? 'expired' : served
    return { state, secondsLeft, lastError: this.#lastError }
  }

  async ready(signal?: AbortSignal): Promise<X509Identity> {
    this.#requireOpen()
    const identity = this.valid
    if (identity !== undefined) return identity
    const ended = AbortSignal.any([this.#closed.signal, ...(signal === undefined ? [] : [signal])])
    for await (const next of this.#latest.follow(ended)) if (this.#isValid(next)) return next
    this.#requireOpen()
    throw new PkiError('ERR_ABORTED', 'aborted while the first SVID was awaited')
  }

  renew(signal?: AbortSignal): Promise<X509Identity> {
    if (this.#closed.signal.aborted) return Promise.reject(closedError())
    this.#renewing ??= this.#obtain().finally(() => {
      this.#renewing = undefined
    })
    return abortable(this.#renewing, signal)
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    // The configured bundle of a trust domain takes precedence over that of the response, which was verified
    // with it.
    return this.#options.bundles?.bundleFor(trustDomain) ?? this.#latest.value?.bundle.bundleFor(trustDomain)
  }

  onChange(listener: (identity: X509Identity) => void): () => void {
    return this.#latest.listen(listener)
  }

  [Symbol.asyncIterator](): AsyncIterator<X509Identity> {
    return this.#latest.follow(this.#closed.signal)[Symbol.asyncIterator]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    this.#cancelRenewal?.()
    this.#shared?.pace.remove(this)
    this.#taints.stop()
    if (this.#shared === undefined) this.#queue.close()
    await this.#renewing?.catch(() => undefined)
  }

  async #obtain(): Promise<X509Identity> {
    for (let attempt = 1; ; attempt++) {
      try {
        const ask = async (): Promise<X509Identity> => {
          this.#requireOpen()
          return this.#ask()
        }
        return this.#accept(await (this.#shared?.inTurn(ask) ?? ask()))
      } catch (error) {
        this.#requireOpen()
        this.#metrics.count(metricNames.svidRenewalsFailed, {
          code: isPkiError(error) ? error.code : 'ERR_INTERNAL',
        })
        this.#metrics.count(metricNames.agentRequestsFailed, csrRequest)
        if (attempt >= maxAttempts || !isRetryable(error)) throw this.#failed(error)
        this.#metrics.count(metricNames.agentRetries, csrRequest)
        await waitFor(this.#clock, retryDelayMs(attempt), this.#closed.signal)
      }
    }
  }

  async #ask(): Promise<X509Identity> {
    const { ca, ttlSeconds, algorithm = 'P-256', bundles, maxClockSkewSeconds = 60 } = this.#options
    // A new key for each certificate limits the use of a stolen key to one validity period.
    const signer = await SoftwareSigner.generate(algorithm)
    const csr = await buildCertificateRequest(this.#requested, signer)
    const signal = this.#closed.signal
    const startMs = this.#clock.monotonic()
    this.#metrics.count(metricNames.agentRequests, csrRequest)
    const answer = await abortable(ca.issue({ csr, ttlSeconds, signal }), signal)
    this.#metrics.count(metricNames.agentLatency, csrRequest, this.#clock.monotonic() - startMs)
    const nowMs = this.#clock.now()
    const { svid, bundle } = checkCaAnswer(answer, {
      publicKey: signer.publicKey,
      matchesId: this.#matchesId,
      bundles,
      nowMs,
      clockSkewMs: maxClockSkewSeconds * 1000,
    })
    const { notBeforeMs, notAfterMs } = svid.leaf
    const renewAt = new Date(renewalPointMs({ notBeforeMs, notAfterMs, receivedMs: nowMs }, this.#renewal))
    return Object.freeze({ svid, privateKey: signer.privateKey(), bundle, renewAt })
  }

  #accept(identity: X509Identity): X509Identity {
    this.#requireOpen()
    this.#failures = 0
    this.#lastError = undefined
    // Where clocks differ by the validity, a certificate is over when it comes: no request without a pause.
    this.#schedule(Math.max(identity.renewAt.getTime(), this.#clock.now() + minRenewalMs))
    this.#metrics.count(metricNames.svidRenewals)
    const { serialNumber, notAfter, notAfterMs } = identity.svid.leaf
    this.#shared?.pace.add(this, (notAfterMs - this.#clock.now()) * this.#renewal.ratio)
    const fields = { id: identity.svid.id.toString(), serialNumber, notAfter, renewAt: identity.renewAt }
    this.#logger.info(fields, 'SVID obtained')
    try {
      this.#latest.set(identity)
      // Its authority may have been tainted while the answer was on its way.
      this.#leaveTainted()
    } catch (error) {
      // A listener that throws does not affect the SVID.
      this.#logger.error({ reason: String(error) }, 'a listener of the X.509 source threw')
    }
    return identity
  }

  /** Renews early what a tainted authority has issued; a renewal in progress looks for itself. */
  #leaveTainted(): void {
    const identity = this.#latest.value
    if (this.#closed.signal.aborted || identity === undefined) return
    if (!this.#taints.concerns(identity.svid.certificates)) return
    const { taintSpreadSeconds = 300 } = this.#options
    const renewAtMs = identity.renewAt.getTime()
    const dueMs = spreadPointMs(this.#clock.now() + minRenewalMs, renewAtMs, taintSpreadSeconds * 1000)
    this.#schedule(dueMs)
    const fields = { id: identity.svid.id.toString(), renewAt: new Date(dueMs) }
    this.#logger.warn(fields, 'the authority above the SVID is tainted; it is renewed early')
  }

  #failed(error: unknown): unknown {
    this.#lastError = error instanceof Error ? error : new Error(String(error))
    const delayMs = backoffMs(this.#failures++)
    const { secondsLeft } = this.status
    this.#schedule(this.#clock.now() + delayMs)
    const fields = { reason: this.#lastError.message, secondsLeft, nextAttemptMs: Math.round(delayMs) }
    if (secondsLeft > 0)
      this.#logger.warn(fields, 'SVID not renewed; the current one is used until it expires')
    else this.#logger.error(fields, 'no valid SVID')
    return error
  }

  #schedule(dueMs: number): void {
    this.#cancelRenewal?.()
    this.#cancelRenewal = this.#queue.add(dueMs, () => {
      const waitMs = this.#paceMs()
      if (waitMs === 0) this.#renewInBackground()
      else
        this.#cancelRenewal = this.#queue.add(this.#clock.now() + waitMs, () => {
          this.#renewInBackground()
        })
    })
  }

  /** How long a renewal that is due waits: not into the last tenth of the validity, and never without one. */
  #paceMs(): number {
    const leaf = this.valid?.svid.leaf
    if (leaf === undefined || this.#shared === undefined) return 0
    const latestMs = leaf.notAfterMs - (leaf.notAfterMs - leaf.notBeforeMs) / 10 - this.#clock.now()
    return this.#shared.pace.take(this.#clock.monotonic(), latestMs)
  }

  #renewInBackground(): void {
    // The failure is in `status`, log and metrics; the next attempt is scheduled.
    this.renew().catch(() => undefined)
  }

  /** The SVID, while it is valid. */
  get valid(): X509Identity | undefined {
    const identity = this.#latest.value
    return identity !== undefined && this.#isValid(identity) ? identity : undefined
  }

  #isValid(identity: X509Identity): boolean {
    return identity.svid.leaf.notAfterMs >= this.#clock.now()
  }

  #whyNone(): string {
    const identity = this.#latest.value
    if (identity === undefined) return 'no SVID has been obtained yet; await source.ready()'
    const { serialNumber, notAfter } = identity.svid.leaf
    const clock = new Date(this.#clock.now()).toISOString()
    return `the SVID ${serialNumber} expired at ${notAfter.toISOString()}; the time is ${clock}`
  }

  #requireOpen(): void {
    if (this.#closed.signal.aborted) throw closedError()
  }
}

/** What every request asks for. @throws ERR_INVALID_ARGUMENT */
function requestFor(dnsNames: readonly string[] | undefined): Parameters<typeof buildCertificateRequest>[0] {
  if (dnsNames === undefined) return {}
  if (!Array.isArray(dnsNames) || dnsNames.length === 0 || !dnsNames.every(isHostName))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createX509Source: dnsNames must be DNS names in lower case')
  return { extensions: { subjectAltName: dnsNames.map((name: string) => generalName.dns(name)) } }
}

/** In lower case, as CAs write them. */
function isHostName(name: unknown): boolean {
  return typeof name === 'string' && isPresentedName(name) && name === name.toLowerCase()
}

function closedError(): PkiError {
  return new PkiError('ERR_CLOSED', 'the X.509 source was closed')
}

/** Only an error with `retryable: true` may succeed later. */
function isRetryable(error: unknown): boolean {
  return (Object(error) as { readonly retryable?: unknown }).retryable === true
}

function retryDelayMs(attempt: number): number {
  return firstRetryMs * 2 ** (attempt - 1) * deviate(0.1)
}

const maxAttempts = 5
const firstRetryMs = 100
const minRenewalMs = 250
/** The word of Istio's agent for a request of a certificate. */
const csrRequest = Object.freeze({ request_type: 'csr' })
