// The handler of Istio's certificate service: how many requests are in progress, how long each may take, and
// which status a caller gets for a failure.

import type { Metadata, ServiceError, UntypedServiceImplementation, sendUnaryData } from '@grpc/grpc-js'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../../internal/numbers.ts'
import { checkFunctions, checkMethods, requireMethods } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import { metricNames, systemClock } from '../../../runtime/index.ts'
import { safeLogger, safeMetrics } from '../../../runtime/internal.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { IstioCertificateResponse } from '../gen/istio/v1/auth/ca_pb.ts'
import { InFlightLimit, admittedCallOf } from '../server/index.ts'
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
import { CertificateAnswers } from './certificate-answers.ts'
import type { Call, CertificateCall } from './certificate-answers.ts'
import { certificateServiceKinds } from './service-options.ts'
import type { CertificateServiceOptions } from './service-options.ts'

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
  const { issuance, authenticator, impersonation, maxInFlight, timeoutMs } = options
  checkFunctions('certificateServiceHandlers', { tlsPeerOf: options.tlsPeerOf })
  checkMethods('certificateServiceHandlers', { signers: options.signers })
  // A copy, so that a signer that is added to the given object later has no effect.
  const signers = Object.freeze({ ...options.signers })
  requireMethods('certificateServiceHandlers', 'issuance', issuance, 'issue')
  requireMethods('certificateServiceHandlers', 'authenticator', authenticator, 'authenticate')
  if (impersonation !== undefined)
    requireMethods('certificateServiceHandlers', 'impersonation', impersonation, 'authorize')
  for (const [name, signer] of Object.entries(signers))
    requireMethods('certificateServiceHandlers', `signers.${name}`, signer, 'issue')
  checkCounts({ maxInFlight }, 0)
  checkMeasures({ timeoutMs }, 1)
  const service = new CertificateService({ ...options, signers })
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
interface Work extends CertificateCall {
  /** Aborts `signal`. */
  readonly gone: AbortController
  /** Stops the timer of work that continues without its caller. */
  stopLost?: () => void
}

class CertificateService {
  readonly #timeoutMs: number
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #inFlight: InFlightLimit
  readonly #answers: CertificateAnswers

  constructor(options: CertificateServiceOptions) {
    this.#timeoutMs = options.timeoutMs ?? 30_000
    this.#clock = options.clock ?? systemClock
    this.#logger = safeLogger('certificateServiceHandlers', options.logger)
    this.#metrics = safeMetrics('certificateServiceHandlers', options.metrics)
    this.#inFlight = new InFlightLimit(options.maxInFlight ?? 4096)
    this.#answers = new CertificateAnswers(options, this.#logger, this.#metrics)
  }

  /** @throws `StatusAnswer`, the only information for the caller */
  async createCertificate(call: Call): Promise<IstioCertificateResponse> {
    this.#metrics.count(metricNames.citadelRequests)
    const admitted = admittedCallOf(call)
    const leave = this.#enter(call, admitted)
    const gone = new AbortController()
    const work: Work = { call, admitted, gone, signal: gone.signal, stage: 'authentication' }
    const answer = this.#answers.answer(work).finally(() => {
      work.stopLost?.()
      leave()
    })
    const end = this.#endOf(work, leave)
    try {
      return await Promise.race([answer, end.reached])
    } catch (error) {
      const { aborted, reason } = work.signal as { readonly aborted: boolean; readonly reason: unknown }
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
    const timeoutMs = this.#timeoutMs
    let stop = (): void => undefined
    const reached = new Promise<never>((_resolve, reject) => {
      const end = (error: PkiError): void => {
        gone.abort(error)
        reject(error)
        work.stopLost = this.#clock.schedule(() => {
          this.#logger.error(
            { peer: call.getPeer(), stage: work.stage },
            'a request is still being processed long after its time limit; its place is released',
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

const lostAfterTimeouts = 10
