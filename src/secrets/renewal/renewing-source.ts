// The source that renews the X.509-SVID of a workload: when it calls the CA, and which SVID it provides
// meanwhile.

import { PkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { readOptions, requireSignal } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { abortable, keptAlive, eitherSignal } from '../../internal/turns/waiting.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { metricNames, systemClock } from '../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import type { TrustDomain } from '../../spiffe/index.ts'
import { TrustBundle } from '../../svid/index.ts'
import type { CaClient } from '../ca-client.ts'
import { LatestValue } from '../latest-value.ts'
import type { X509Identity, X509Source, X509SourceOptions, X509SourceStatus } from '../x509-source.ts'
import { backoffMs } from './backoff.ts'
import { ConfiguredBundles } from './configured-bundles.ts'
import type { RenewalPace } from './renewal-pace.ts'
import { RenewalQueue } from './renewal-queue.ts'
import { checkRenewalPolicy, defaultRenewalPolicy } from './renewal-schedule.ts'
import type { RenewalPolicy } from './renewal-schedule.ts'
import { SvidRequests, sourceClosed } from './svid-requests.ts'
import type { InTurn } from './svid-requests.ts'
import { TaintWatch, spreadPointMs } from './taint-watch.ts'

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
  timeoutSeconds: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

/** The objects that the sources of one process share. */
export interface SharedRenewals {
  readonly queue: RenewalQueue
  readonly pace: RenewalPace
  readonly inTurn: InTurn
}

/** The `X509Source` over a CA. */
export class RenewingX509Source implements X509Source {
  readonly #options: Readonly<X509SourceOptions>
  readonly #renewal: RenewalPolicy
  readonly #bundles: ConfiguredBundles
  readonly #requests: SvidRequests
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
    const { ca, ttlSeconds, maxClockSkewSeconds, taintSpreadSeconds, timeoutSeconds } = options
    if (typeof (ca as Partial<CaClient>).issue !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createX509Source: ca must be a CaClient: an object with issue(), found ${nameOf(ca)}`,
      )
    checkCounts({ ttlSeconds, maxClockSkewSeconds, taintSpreadSeconds }, 0)
    checkMeasures({ timeoutSeconds }, 1)
    this.#options = options
    this.#renewal = { ...defaultRenewalPolicy, ...options.renewal }
    checkRenewalPolicy(this.#renewal)
    this.#bundles = new ConfiguredBundles(options.bundles, () => this.#bundlesChanged())
    this.#requests = new SvidRequests(options, this.#renewal, this.#bundles, shared?.inTurn)
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

  /** Whether an attempt is in progress or waiting for its turn. */
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
    requireSignal('ready', signal)
    this.#requireOpen()
    const identity = this.valid
    if (identity !== undefined) return identity
    const ended = eitherSignal(signal, this.#closed.signal)
    return keptAlive(this.#clock, async () => {
      for await (const next of this.#latest.follow(ended)) if (this.#isValid(next)) return next
      this.#requireOpen()
      throw new PkiError('ERR_ABORTED', 'aborted while waiting for the first SVID')
    })
  }

  renew(signal?: AbortSignal): Promise<X509Identity> {
    if (this.#closed.signal.aborted) return Promise.reject(sourceClosed())
    this.#renewing ??= this.#obtain().finally(() => {
      this.#renewing = undefined
    })
    return abortable(this.#renewing, signal)
  }

  bundleFor(trustDomain: TrustDomain): TrustBundle | undefined {
    if (this.#bundles.decidesOn(trustDomain)) return this.#bundles.bundleFor(trustDomain)
    return this.#latest.value?.bundle.bundleFor(trustDomain)
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
    this.#bundles.stop()
    if (this.#shared === undefined) this.#queue.close()
    await this.#renewing?.catch(() => undefined)
  }

  async #obtain(): Promise<X509Identity> {
    try {
      return this.#accept(await this.#requests.obtain(this.#closed.signal))
    } catch (error) {
      throw this.#closed.signal.aborted ? error : this.#failed(error)
    }
  }

  #accept(identity: X509Identity): X509Identity {
    this.#requireOpen()
    this.#failures = 0
    this.#lastError = undefined
    // If clocks differ by more than the validity, a certificate is expired when it arrives, so requests must
    // pause.
    this.#schedule(Math.max(identity.renewAt.getTime(), this.#clock.now() + minRenewalMs))
    this.#metrics.count(metricNames.svidRenewals)
    const { serialNumber, notAfter, notAfterMs } = identity.svid.leaf
    this.#shared?.pace.add(this, (notAfterMs - this.#clock.now()) * this.#renewal.ratio)
    const fields = { id: identity.svid.id.toString(), serialNumber, notAfter, renewAt: identity.renewAt }
    this.#logger.info(fields, 'SVID obtained')
    this.#tell(identity)
    // The authority may have been tainted while the answer was in transit.
    this.#leaveTainted()
    return identity
  }

  /**
   * Notifies the listeners, so that connections that were verified with the earlier roots are verified again.
   */
  #bundlesChanged(): void {
    const identity = this.#latest.value
    if (this.#closed.signal.aborted || identity === undefined) return
    const { trustDomain } = identity.bundle
    const bundle = this.bundleFor(trustDomain) ?? new TrustBundle(trustDomain)
    this.#tell(Object.freeze({ ...identity, bundle }))
  }

  #tell(identity: X509Identity): void {
    try {
      this.#latest.set(identity)
    } catch (error) {
      // A listener that throws does not affect the SVID.
      this.#logger.error({ reason: String(error) }, 'a listener of the X.509 source threw an error')
    }
  }

  /**
   * Schedules an early renewal of an SVID that a tainted authority has issued. A renewal in progress calls
   * this again when it succeeds.
   */
  #leaveTainted(): void {
    const identity = this.#latest.value
    if (this.#closed.signal.aborted || identity === undefined) return
    if (!this.#taints.concerns(identity.svid.certificates)) return
    const { taintSpreadSeconds = 300 } = this.#options
    const renewAtMs = identity.renewAt.getTime()
    const dueMs = spreadPointMs(this.#clock.now() + minRenewalMs, renewAtMs, taintSpreadSeconds * 1000)
    this.#schedule(dueMs)
    const fields = { id: identity.svid.id.toString(), renewAt: new Date(dueMs) }
    this.#logger.warn(fields, 'the authority that issued the SVID is tainted; the SVID is renewed early')
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

  /**
   * The delay of a due renewal, in milliseconds: it ends before the last tenth of the validity, and is 0
   * without a valid SVID.
   */
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
    if (this.#closed.signal.aborted) throw sourceClosed()
  }
}

const minRenewalMs = 250
