// The requests of one X.509-SVID to the CA: each with a new key and a verified answer, repeated after
// temporary failures.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isPresentedName } from '../../internal/host-text.ts'
import { waitFor, withDeadline } from '../../internal/turns/waiting.ts'
import { SoftwareSigner } from '../../keys/index.ts'
import { metricNames, systemClock } from '../../runtime/index.ts'
import { safeMetrics } from '../../runtime/internal.ts'
import type { Clock, Metrics } from '../../runtime/index.ts'
import { match } from '../../spiffe/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../../x509/index.ts'
import { checkCaAnswer } from '../check-ca-answer.ts'
import type { X509Identity, X509SourceOptions } from '../x509-source.ts'
import { deviate } from './backoff.ts'
import type { ConfiguredBundles } from './configured-bundles.ts'
import { renewalPointMs } from './renewal-schedule.ts'
import type { RenewalPolicy } from './renewal-schedule.ts'

/** Runs an attempt when it is its turn. */
export type InTurn = (attempt: () => Promise<X509Identity>) => Promise<X509Identity>

/** Requests the SVID of a source from its CA. */
export class SvidRequests {
  readonly #options: Readonly<X509SourceOptions>
  readonly #renewal: RenewalPolicy
  readonly #bundles: ConfiguredBundles
  readonly #inTurn: InTurn
  readonly #matchesId: SpiffeIdMatcher
  readonly #requested: Parameters<typeof buildCertificateRequest>[0]
  readonly #clock: Clock
  readonly #metrics: Metrics

  /** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID */
  constructor(
    options: Readonly<X509SourceOptions>,
    renewal: RenewalPolicy,
    bundles: ConfiguredBundles,
    inTurn: InTurn = (attempt) => attempt(),
  ) {
    const { id, dnsNames, clock, metrics } = options
    this.#options = options
    this.#renewal = renewal
    this.#bundles = bundles
    this.#inTurn = inTurn
    this.#matchesId = typeof id === 'function' ? id : match.id(id)
    this.#requested = requestFor(dnsNames)
    this.#clock = clock ?? systemClock
    this.#metrics = safeMetrics('X509Source', metrics)
  }

  /**
   * A new SVID. An attempt that failed with a retryable error is repeated, five attempts at most. `closed`
   * aborts when the source closes.
   *
   * @throws the errors of the CA client; ERR_CA_UNAVAILABLE without an answer in time; ERR_CA_REPLY;
   * ERR_CLOSED, ERR_ABORTED when the source has closed
   */
  async obtain(closed: AbortSignal): Promise<X509Identity> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inTurn(async () => {
          requireOpen(closed)
          return this.#ask(closed)
        })
      } catch (error) {
        requireOpen(closed)
        this.#metrics.count(metricNames.svidRenewalsFailed, {
          code: isPkiError(error) ? error.code : 'ERR_INTERNAL',
        })
        this.#metrics.count(metricNames.agentRequestsFailed, csrRequest)
        if (attempt >= maxAttempts || !isRetryable(error)) throw error
        this.#metrics.count(metricNames.agentRetries, csrRequest)
        await waitFor(this.#clock, retryDelayMs(attempt), closed)
      }
    }
  }

  async #ask(closed: AbortSignal): Promise<X509Identity> {
    const {
      ca,
      ttlSeconds,
      algorithm = 'P-256',
      maxClockSkewSeconds = 60,
      timeoutSeconds = 30,
    } = this.#options
    // A new key for each certificate limits the use of a stolen key to one validity period.
    const signer = await SoftwareSigner.generate(algorithm)
    const csr = await buildCertificateRequest(this.#requested, signer)
    const startMs = this.#clock.monotonic()
    this.#metrics.count(metricNames.agentRequests, csrRequest)
    // Without a deadline, one call that never settles would stop all renewals and occupy a place of the gate.
    const deadline = {
      clock: this.#clock,
      deadlineMs: timeoutSeconds * 1000,
      signal: closed,
      late: (cause: unknown) => noAnswer(timeoutSeconds, cause),
    }
    const answer = await withDeadline(deadline, (signal) => ca.issue({ csr, ttlSeconds, signal }))
    this.#metrics.count(metricNames.agentLatency, csrRequest, this.#clock.monotonic() - startMs)
    const nowMs = this.#clock.now()
    const { svid, bundle } = checkCaAnswer(answer, {
      publicKey: signer.publicKey,
      matchesId: this.#matchesId,
      bundles: this.#bundles,
      nowMs,
      clockSkewMs: maxClockSkewSeconds * 1000,
    })
    const { notBeforeMs, notAfterMs } = svid.leaf
    const renewAt = new Date(renewalPointMs({ notBeforeMs, notAfterMs, receivedMs: nowMs }, this.#renewal))
    return Object.freeze({ svid, privateKey: signer.privateKey(), bundle, renewAt })
  }
}

/** The error of every call of a source after it was closed. */
export function sourceClosed(): PkiError {
  return new PkiError('ERR_CLOSED', 'the X.509 source was closed')
}

/** Not retryable: the next attempt follows after a pause, and `status` has the failure meanwhile. */
function noAnswer(seconds: number, cause: unknown): PkiError {
  return new PkiError('ERR_CA_UNAVAILABLE', `the CA did not answer within ${seconds} s`, { cause })
}

function requireOpen(closed: AbortSignal): void {
  if (closed.aborted) throw sourceClosed()
}

/** The common fields of every request. @throws ERR_INVALID_ARGUMENT */
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

/** Only an error with `retryable: true` may succeed later. */
function isRetryable(error: unknown): boolean {
  return (Object(error) as { readonly retryable?: unknown }).retryable === true
}

function retryDelayMs(attempt: number): number {
  return firstRetryMs * 2 ** (attempt - 1) * deviate(0.1)
}

const maxAttempts = 5
const firstRetryMs = 100
/** The label value of Istio's agent for certificate requests. */
const csrRequest = Object.freeze({ request_type: 'csr' })
