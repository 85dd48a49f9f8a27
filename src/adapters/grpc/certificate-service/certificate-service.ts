// The handler of Istio's certificate service: authenticates, issues, and returns one certificate per element
// with the roots last.

import type {
  Metadata,
  ServerUnaryCall,
  ServiceError,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import { requireCaller } from '../../../auth/index.ts'
import { checkCaller } from '../../../auth/internal.ts'
import type { Authenticator, Caller } from '../../../auth/index.ts'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../../internal/numbers.ts'
import { parseIpAddress } from '../../../internal/ip-address.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import type { IssuanceService, IssuedCertificate } from '../../../issuance/index.ts'
import { metricNames, systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { authenticationRequestOf, parsePeer, tlsPeerFromAuthContext } from './authentication-request.ts'
import type { TlsPeerOf } from './authentication-request.ts'
import { certificateChainElements } from './certificate-chain.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from '../gen/istio/v1/auth/ca_pb.ts'
import { FairLine, InFlightLimit, admittedCallOf } from '../server/index.ts'
import type { AdmittedCall } from '../server/index.ts'
import {
  StatusAnswer,
  authenticationFailure,
  errorTypeOf,
  impersonationFailure,
  issuanceFailure,
  retryPushback,
  status,
  unavailableFailure,
} from '../status.ts'
import type { FailureAnswer } from '../status.ts'

/** Decides whether a caller may request the certificate of another identity. */
export interface ImpersonationAuthorizer {
  /** Returns the caller with `identity` as its only identity. @throws if the caller is not allowed */
  authorize(caller: Caller, identity: string): Promise<Caller>
}

/** Options of `certificateServiceHandlers`. @inline */
export interface CertificateServiceOptions {
  /** The issuance service. */
  readonly issuance: IssuanceService
  /** Authenticates every call; several are combined by `CompositeAuthenticator`. */
  readonly authenticator: Authenticator
  /** Default: every request for the identity of another caller is refused. */
  readonly impersonation?: ImpersonationAuthorizer | undefined
  /**
   * Services by the `CertSigner` name of a request; an unknown name is refused, no name selects `issuance`.
   */
  readonly signers?: Readonly<Record<string, IssuanceService>> | undefined
  /**
   * Maximum number of requests in progress; further ones get RESOURCE_EXHAUSTED. A request counts until its
   * work has ended, even after its client has disconnected or its time has passed. So authenticators and
   * issuance must respect their signal. Default 4,096.
   */
  readonly maxInFlight?: number | undefined
  /**
   * Maximum time from request to response, in milliseconds; after that the response is DEADLINE_EXCEEDED.
   * Default 30,000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * Returns the TLS peer of a call on a custom server; by default the verified leaf that grpc-js reports.
   */
  readonly tlsPeerOf?: TlsPeerOf | undefined
  /** Times requests. Default `systemClock`. */
  readonly clock?: Clock | undefined
  /** Logs the reason of each refusal, which is not sent to the caller. Default: none. */
  readonly logger?: Logger | undefined
  /** Counts `citadel_server_…`, the names of Istio's server. Default: none. */
  readonly metrics?: Metrics | undefined
}

/** The keys of `CertificateServiceOptions` for `readOptions`. */
export const certificateServiceKinds: OptionKinds<CertificateServiceOptions> = {
  issuance: 'required',
  authenticator: 'required',
  impersonation: 'optional',
  signers: 'optional',
  maxInFlight: 'optional',
  timeoutMs: 'optional',
  tlsPeerOf: 'optional',
  clock: 'optional',
  logger: 'optional',
  metrics: 'optional',
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>

/**
 * The implementation of `certificateServiceDefinition` for a grpc-js server. Never add it to a port without
 * TLS: such a port has no client certificates, and tokens cross the network unencrypted. grpc-js does not
 * report which kind of port a call came from.
 *
 * Counters: `citadel_server_csr_count`, `citadel_server_authentication_failure_count`,
 * `citadel_server_csr_sign_err_count{error, code}`, `citadel_server_success_cert_issuance_count`, as in
 * Istio's CA. `error` has Istio's values; `code` is an error code of this package.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * server.addService(certificateServiceDefinition, certificateServiceHandlers({ issuance, authenticator }))
 * ```
 */
export function certificateServiceHandlers(given: CertificateServiceOptions): UntypedServiceImplementation {
  const options = readOptions('certificateServiceHandlers', given, certificateServiceKinds)
  const { issuance, authenticator, maxInFlight, timeoutMs } = options
  if (typeof issuance.issue !== 'function' || typeof authenticator.authenticate !== 'function') {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'issuance must have a method issue, and authenticator a method authenticate',
    )
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

/** One request in progress. */
interface Work {
  readonly call: Call
  /** The connection in the listener; undefined on a custom server. */
  readonly admitted: AdmittedCall | undefined
  /** Aborted, with the reason, when the client disconnects or the time has passed. */
  readonly gone: AbortController
  /** Determines the response to a failure. */
  stage: 'authentication' | 'impersonation' | 'issuance'
  /** Stops the timer of work that continues without its caller. */
  stopLost?: () => void
}

class CertificateService {
  readonly #options: CertificateServiceOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #inFlight: InFlightLimit
  /** Verifying a chain before authentication may take milliseconds: one per turn of the event loop. */
  readonly #strangers = new FairLine(1)
  readonly #known = new FairLine(16)

  constructor(options: CertificateServiceOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = safeLogger('certificateServiceHandlers', options.logger)
    this.#metrics = safeMetrics('certificateServiceHandlers', options.metrics)
    this.#inFlight = new InFlightLimit(options.maxInFlight ?? 4096)
  }

  /** @throws `StatusAnswer`, the only information for the caller */
  async createCertificate(call: Call): Promise<IstioCertificateResponse> {
    this.#metrics.count(metricNames.citadelRequests)
    const admitted = admittedCallOf(call)
    const leave = this.#enter(call, admitted)
    const work: Work = { call, admitted, gone: new AbortController(), stage: 'authentication' }
    const answer = this.#answer(work).finally(() => {
      work.stopLost?.()
      leave()
    })
    const end = this.#endOf(work, leave)
    try {
      return await Promise.race([answer, end.reached])
    } catch (error) {
      const { aborted, reason } = work.gone.signal as { readonly aborted: boolean; readonly reason: unknown }
      throw aborted
        ? this.#refused(issuanceFailure(reason), reason, call)
        : this.#refused(answerAt(work.stage, error), error, call)
    } finally {
      end.stop()
    }
  }

  /** Logs a response that could not be sent. */
  noteUnanswered(error: unknown, call: Call): void {
    this.#logger.error({ reason: textOf(error), peer: call.getPeer() }, 'certificate request not answered')
  }

  /** Takes a place; returns a function that releases it, once. @throws `StatusAnswer` if no place is free */
  #enter(call: Call, admitted: AdmittedCall | undefined): () => void {
    admitted?.begin()
    try {
      this.#inFlight.enter()
    } catch (error) {
      admitted?.end()
      throw this.#refused(issuanceFailure(error), error, call)
    }
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#inFlight.leave()
      admitted?.end()
    }
  }

  /**
   * Rejects when the client disconnects or the time has passed. The place stays taken until the work ends, so
   * that abandoned work is limited. Work that takes ten times the timeout is considered lost: its place is
   * released, and an error is logged.
   */
  #endOf(work: Work, leave: () => void): { readonly reached: Promise<never>; readonly stop: () => void } {
    const { call, gone } = work
    const { timeoutMs = 30_000 } = this.#options
    let stop = (): void => undefined
    const reached = new Promise<never>((_resolve, reject) => {
      const end = (error: PkiError): void => {
        gone.abort(error)
        reject(error)
        work.stopLost = this.#clock.schedule(() => {
          this.#logger.error(
            { peer: call.getPeer(), stage: work.stage },
            'work on a request does not end: its place is released',
          )
          leave()
        }, lostAfterTimeouts * timeoutMs)
      }
      const left = (): void => end(new PkiError('ERR_ABORTED', 'the client disconnected before the response'))
      const stopTimer = this.#clock.schedule(
        () => end(new PkiError('ERR_TIMEOUT', `no response within ${timeoutMs} ms`)),
        timeoutMs,
      )
      // grpc-js also emits "cancelled" for streams that end normally; the listener is already removed then.
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
      admitted,
      gone: { signal },
    } = work
    await this.#turn(call, admitted)
    signal.throwIfAborted()
    const authenticated = await this.#authenticate(call, signal)
    admitted?.connection.markAuthenticated()
    const identity = metadataText(call, 'ImpersonatedIdentity')
    if (identity !== '') work.stage = 'impersonation'
    const caller = identity === '' ? authenticated : await this.#impersonate(authenticated, identity)
    work.stage = 'issuance'
    try {
      const { csr, validityDuration } = call.request
      const issued = await this.#signer(metadataText(call, 'CertSigner')).issue(
        { csr, ttlSeconds: requestedSeconds(validityDuration), source: sourceOf(call), signal },
        caller,
      )
      signal.throwIfAborted()
      this.#metrics.count(metricNames.citadelSuccesses)
      return this.#response(issued)
    } catch (error) {
      // A probing caller must not learn which trust domains are served.
      if (identity !== '' && isPkiError(error, 'ERR_POLICY_TRUST_DOMAIN')) work.stage = 'impersonation'
      throw error
    }
  }

  /** Waits for its turn; connections alternate. */
  #turn(call: Call, admitted: AdmittedCall | undefined): Promise<void> {
    const known = admitted === undefined || admitted.connection.authenticated
    return (known ? this.#known : this.#strangers).turn(admitted?.connection ?? call.getPeer())
  }

  #authenticate(call: Call, signal: AbortSignal): Promise<Caller> {
    const { authenticator, tlsPeerOf = tlsPeerFromAuthContext } = this.#options
    const admitted = admittedCallOf(call)
    const peerOf: TlsPeerOf = admitted === undefined ? tlsPeerOf : () => admitted.connection.tls
    return requireCaller(authenticator, authenticationRequestOf(call, peerOf, signal))
  }

  /** The caller, with the requested identity as its only identity. */
  async #impersonate(caller: Caller, identity: string): Promise<Caller> {
    const { impersonation } = this.#options
    if (impersonation === undefined)
      throw new PkiError(
        'ERR_CREDENTIAL_INVALID',
        'the request has ImpersonatedIdentity, but impersonation is not configured',
      )
    const wanted = SpiffeId.parse(identity)
    const answer = checkCaller(await impersonation.authorize(caller, identity), 'impersonation.authorize')
    if (answer.identities.length !== 1 || answer.identities[0]?.equals(wanted) !== true) {
      throw new PkiError(
        'ERR_AUTHENTICATOR_FAILED',
        'impersonation.authorize returned a different identity than requested',
      )
    }
    this.#logger.info({ by: caller.identities.map(String), identity }, 'impersonation allowed')
    return answer
  }

  #signer(name: string): IssuanceService {
    if (name === '') return this.#options.issuance
    const { signers } = this.#options
    const signer = signers !== undefined && Object.hasOwn(signers, name) ? signers[name] : undefined
    if (signer === undefined)
      throw new PkiError('ERR_CSR_SIGNER', `unknown signer ${JSON.stringify(name.slice(0, 128))}`)
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
    if (answer.code === status.UNAUTHENTICATED) this.#metrics.count(metricNames.citadelAuthenticationFailures)
    else this.#metrics.count(metricNames.citadelSigningErrors, { error: errorTypeOf(code), code })
    const fields = { code, reason: textOf(error), peer: call.getPeer() }
    if (answer.code === status.INTERNAL)
      this.#logger.error({ ...fields, error }, 'certificate request failed')
    else this.#logger.warn(fields, 'certificate request refused')
    const comeBack = answer.code === status.RESOURCE_EXHAUSTED || answer.code === status.UNAVAILABLE
    return new StatusAnswer(answer, comeBack ? retryAfter(call) : null)
  }
}

function answerAt(stage: Work['stage'], error: unknown): FailureAnswer {
  // An agent retries after this status; after the others it drops its token.
  if (stage !== 'issuance' && isPkiError(error, 'ERR_AUTHENTICATOR_UNAVAILABLE')) return unavailableFailure
  if (stage === 'authentication') return authenticationFailure
  return stage === 'impersonation' ? impersonationFailure : issuanceFailure(error)
}

/**
 * The retry delay for gRPC's retries (gRFC A6). Built from the call's own
 * metadata, because this file does not load grpc-js.
 */
function retryAfter({ metadata }: Call): Metadata {
  const trailers = metadata.clone()
  for (const name of Object.keys(trailers.getMap())) trailers.remove(name)
  trailers.set(retryPushback, '1000')
  return trailers
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : 'unknown').slice(0, 1024)
}

/** The address of the peer, for the policy; undefined on a Unix socket. */
function sourceOf(call: Call): string | undefined {
  const address = parsePeer(call.getPeer())?.address
  return address !== undefined && parseIpAddress(address) !== undefined ? address : undefined
}

/** A string of the request's metadata; absent and other types are read as empty, as Istio does. */
function metadataText(call: Call, name: string): string {
  const { metadata } = call.request
  const value = metadata !== undefined && Object.hasOwn(metadata, name) ? metadata[name] : undefined
  return typeof value === 'string' ? value : ''
}

/**
 * The requested seconds; 0 and less mean the CA's default. An int64 above the safe integers becomes the
 * largest one, which every CA refuses.
 */
function requestedSeconds(duration: bigint): number | undefined {
  return duration <= 0n
    ? undefined
    : Number(duration > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : duration)
}

const lostAfterTimeouts = 10
