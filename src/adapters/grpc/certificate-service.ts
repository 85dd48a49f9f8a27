// The handler of Istio's certificate service: authenticate → issue → one certificate per element, the roots last.

import type {
  Metadata,
  ServerUnaryCall,
  ServiceError,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import { checkCaller, requireCaller } from '../../auth/index.ts'
import type { Authenticator, Caller } from '../../auth/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import type { IssuanceService, IssuedCertificate } from '../../issuance/index.ts'
import { noMetrics, silentLogger, systemClock } from '../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import { authenticationRequestOf, tlsPeerFromAuthContext } from './authentication-request.ts'
import type { TlsPeerOf } from './authentication-request.ts'
import { certificateChainElements } from './certificate-chain.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from './gen/istio/v1/auth/ca_pb.ts'
import { InFlightLimit } from './in-flight.ts'
import {
  StatusAnswer,
  authenticationFailure,
  errorTypeOf,
  impersonationFailure,
  issuanceFailure,
  retryPushback,
  status,
} from './status.ts'
import type { FailureAnswer } from './status.ts'

/** Decides whether a caller may ask for another's identity, and answers with who it then is: that identity, and no other. */
export interface ImpersonationAuthorizer {
  /** @throws when the caller may not */
  authorize(caller: Caller, identity: string): Promise<Caller>
}

/** Options of `certificateServiceHandlers`. */
export interface CertificateServiceOptions {
  /** Decides, signs, records. */
  readonly issuance: IssuanceService
  /** Says who is calling; one of several by `CompositeAuthenticator`. */
  readonly authenticator: Authenticator
  /** Without one, every request for another's identity is refused. */
  readonly impersonation?: ImpersonationAuthorizer | undefined
  /** Services by the `CertSigner` that requests may name; a name that is not here is refused, no name takes `issuance`. */
  readonly signers?: Readonly<Record<string, IssuanceService>> | undefined
  /** Requests worked on at once; more are answered RESOURCE_EXHAUSTED. Default 4,096. */
  readonly maxInFlight?: number | undefined
  /** From a request to its answer, in milliseconds; then it is DEADLINE_EXCEEDED, whoever is being waited for. Default 30,000. */
  readonly timeoutMs?: number | undefined
  /** How the TLS peer of a call is found; the default asks grpc-js, which tells the leaf of a verified chain. */
  readonly tlsPeerOf?: TlsPeerOf | undefined
  /** Times requests. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Told why a request was refused, which its caller is not. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `citadel_server_…`, under the names that Istio's server has. Default: none. */
  readonly metrics?: Metrics | undefined
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>

/**
 * The implementation to add to a grpc-js server beside `certificateServiceDefinition`. A port without TLS has no client certificates, and shows
 * every other credential to whoever listens: grpc-js does not say which kind of port a call came from, so add it to none.
 *
 * Counters: `citadel_server_csr_count`, `citadel_server_authentication_failure_count`, `citadel_server_csr_sign_err_count{error, code}`,
 * `citadel_server_success_cert_issuance_count`, as Istio's CA has them, `error` with the values of Istio's; `code` is ours.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * server.addService(certificateServiceDefinition, certificateServiceHandlers({ issuance, authenticator }))
 * ```
 */
export function certificateServiceHandlers(options: CertificateServiceOptions): UntypedServiceImplementation {
  const { issuance, authenticator, maxInFlight, timeoutMs } =
    (options as Partial<CertificateServiceOptions> | undefined) ?? {}
  if (typeof issuance?.issue !== 'function' || typeof authenticator?.authenticate !== 'function') {
    throw new PkiError('ERR_INVALID_ARGUMENT', 'the service wants issuance and an authenticator')
  }
  checkCounts({ maxInFlight }, 0)
  checkMeasures({ timeoutMs }, 1)
  const service = new CertificateService(options)
  return {
    CreateCertificate: (call: Call, reply: sendUnaryData<IstioCertificateResponse>) => {
      service
        .createCertificate(call)
        .then(
          (response) => reply(null, response),
          (error: unknown) => {
            const told: unknown =
              error instanceof StatusAnswer ? error : new StatusAnswer(issuanceFailure(undefined))
            reply(told as Partial<ServiceError>)
          },
        )
        .catch((error: unknown) => service.noteUnanswered(error, call))
    },
  }
}

/** One request on its way. */
interface Work {
  readonly call: Call
  /** Aborted, with the reason, when nobody waits for the answer any more. */
  readonly gone: AbortController
  /** What would be answered if it failed now. */
  stage: 'authentication' | 'impersonation' | 'issuance'
}

class CertificateService {
  readonly #options: CertificateServiceOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #inFlight: InFlightLimit

  constructor(options: CertificateServiceOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#metrics = options.metrics ?? noMetrics
    this.#inFlight = new InFlightLimit(options.maxInFlight ?? 4096)
  }

  /** @throws `StatusAnswer`, which is all that a caller is told */
  async createCertificate(call: Call): Promise<IstioCertificateResponse> {
    this.#metrics.count('citadel_server_csr_count')
    try {
      this.#inFlight.enter()
    } catch (error) {
      throw this.#refused(issuanceFailure(error), error, call)
    }
    const work: Work = { call, gone: new AbortController(), stage: 'authentication' }
    const end = this.#endOf(work)
    try {
      return await Promise.race([this.#answer(work), end.reached])
    } catch (error) {
      const { aborted, reason } = work.gone.signal as { readonly aborted: boolean; readonly reason: unknown }
      throw aborted
        ? this.#refused(issuanceFailure(reason), reason, call)
        : this.#refused(answerAt(work.stage, error), error, call)
    } finally {
      end.stop()
      this.#inFlight.leave()
    }
  }

  /** An answer that could not even be sent. */
  noteUnanswered(error: unknown, call: Call): void {
    this.#logger.error({ reason: textOf(error), peer: call.getPeer() }, 'certificate request not answered')
  }

  /** Rejects when the client leaves or the time is over: whoever is waited for then, and does not notice, must not hold a place. */
  #endOf({ call, gone }: Work): { readonly reached: Promise<never>; readonly stop: () => void } {
    const { timeoutMs = 30_000 } = this.#options
    let stop = (): void => undefined
    const reached = new Promise<never>((_resolve, reject) => {
      const end = (error: PkiError): void => {
        gone.abort(error)
        reject(error)
      }
      const left = (): void => end(new PkiError('ERR_ABORTED', 'the client left before it was answered'))
      const stopTimer = this.#clock.schedule(
        () => end(new PkiError('ERR_TIMEOUT', `no answer in ${timeoutMs} ms`)),
        timeoutMs,
      )
      // grpc-js says "cancelled" of streams that end well, too: nobody listens then.
      stop = () => {
        call.off('cancelled', left)
        stopTimer()
      }
      call.on('cancelled', left)
      if (call.cancelled) left()
    })
    return { reached, stop }
  }

  async #answer(work: Work): Promise<IstioCertificateResponse> {
    const {
      call,
      gone: { signal },
    } = work
    const authenticated = await this.#authenticate(call, signal)
    const identity = metadataText(call, 'ImpersonatedIdentity')
    if (identity !== '') work.stage = 'impersonation'
    const caller = identity === '' ? authenticated : await this.#impersonate(authenticated, identity)
    work.stage = 'issuance'
    try {
      const { csr, validityDuration } = call.request
      const issued = await this.#signer(metadataText(call, 'CertSigner')).issue(
        { csr, ttlSeconds: requestedSeconds(validityDuration), signal },
        caller,
      )
      signal.throwIfAborted()
      this.#metrics.count('citadel_server_success_cert_issuance_count')
      return this.#response(issued)
    } catch (error) {
      // An identity of another trust domain is one that nobody here may ask for; which one is served is not for a node to probe.
      if (identity !== '' && isPkiError(error, 'ERR_POLICY_TRUST_DOMAIN')) work.stage = 'impersonation'
      throw error
    }
  }

  #authenticate(call: Call, signal: AbortSignal): Promise<Caller> {
    const { authenticator, tlsPeerOf = tlsPeerFromAuthContext } = this.#options
    return requireCaller(authenticator, authenticationRequestOf(call, tlsPeerOf, signal))
  }

  /** Whoever allows it: what comes of it is exactly the one identity that was asked for. */
  async #impersonate(caller: Caller, identity: string): Promise<Caller> {
    const { impersonation } = this.#options
    if (impersonation === undefined)
      throw new PkiError('ERR_CREDENTIAL_INVALID', 'impersonation is asked for and not set up here')
    const wanted = SpiffeId.parse(identity)
    const answer = checkCaller(await impersonation.authorize(caller, identity), 'the judge of impersonation')
    if (answer.identities.length !== 1 || answer.identities[0]?.equals(wanted) !== true) {
      throw new PkiError(
        'ERR_AUTHENTICATOR_FAILED',
        'the judge of impersonation answered with another identity than the one asked for',
      )
    }
    this.#logger.info({ by: caller.identities.map(String), identity }, 'impersonation allowed')
    return answer
  }

  #signer(name: string): IssuanceService {
    if (name === '') return this.#options.issuance
    const { signers } = this.#options
    const signer = signers !== undefined && Object.hasOwn(signers, name) ? signers[name] : undefined
    if (signer === undefined) throw new PkiError('ERR_CSR_SIGNER', `no signer is called ${name}`)
    return signer
  }

  #response(issued: IssuedCertificate): IstioCertificateResponse {
    return {
      $typeName: 'istio.v1.auth.IstioCertificateResponse',
      certChain: certificateChainElements(issued),
    }
  }

  #refused(answer: FailureAnswer, error: unknown, call: Call): StatusAnswer {
    const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
    if (answer.code === status.UNAUTHENTICATED)
      this.#metrics.count('citadel_server_authentication_failure_count')
    else this.#metrics.count('citadel_server_csr_sign_err_count', { error: errorTypeOf(code), code })
    const fields = { code, reason: textOf(error), peer: call.getPeer() }
    if (answer.code === status.INTERNAL)
      this.#logger.error({ ...fields, error }, 'certificate request failed')
    else this.#logger.warn(fields, 'certificate request refused')
    const comeBack = answer.code === status.RESOURCE_EXHAUSTED || answer.code === status.UNAVAILABLE
    return new StatusAnswer(answer, comeBack ? retryAfter(call) : null)
  }
}

function answerAt(stage: Work['stage'], error: unknown): FailureAnswer {
  if (stage === 'authentication') return authenticationFailure
  return stage === 'impersonation' ? impersonationFailure : issuanceFailure(error)
}

/** When to come back, as gRPC's retries read it (gRFC A6). Made from the call's own metadata: this file loads no grpc-js. */
function retryAfter({ metadata }: Call): Metadata {
  const trailers = metadata.clone()
  for (const name of Object.keys(trailers.getMap())) trailers.remove(name)
  trailers.set(retryPushback, '1000')
  return trailers
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : 'unknown').slice(0, 1024)
}

/** A text of the request's metadata; absent and of another type are both empty, as Istio reads it. */
function metadataText(call: Call, name: string): string {
  const { metadata } = call.request
  const value = metadata !== undefined && Object.hasOwn(metadata, name) ? metadata[name] : undefined
  return typeof value === 'string' ? value : ''
}

/** Seconds asked for; 0 and less leave it to the CA. An int64 too large for a number is too large for any CA. */
function requestedSeconds(duration: bigint): number | undefined {
  return duration <= 0n
    ? undefined
    : Number(duration > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : duration)
}
