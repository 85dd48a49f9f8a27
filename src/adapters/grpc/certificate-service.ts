// The handler of Istio's certificate service: authenticate → issue → one certificate per element, the roots last.

import type { ServerUnaryCall, ServiceError, UntypedServiceImplementation, sendUnaryData } from '@grpc/grpc-js'
import { requireCaller } from '../../auth/index.ts'
import type { Authenticator, Caller } from '../../auth/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { IssuanceService, IssuedCertificate } from '../../issuance/index.ts'
import { noMetrics, silentLogger } from '../../runtime/index.ts'
import type { Logger, Metrics } from '../../runtime/index.ts'
import { authenticationRequestOf, tlsPeerFromAuthContext } from './authentication-request.ts'
import type { TlsPeerOf } from './authentication-request.ts'
import { certificateChainElements } from './certificate-chain.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from './gen/istio/v1/auth/ca_pb.ts'
import { InFlightLimit } from './in-flight.ts'
import { StatusAnswer, authenticationFailure, impersonationFailure, issuanceFailure, status } from './status.ts'
import type { FailureAnswer } from './status.ts'

/** Decides whether a caller may ask for another's identity, and answers with who it then is. */
export interface ImpersonationAuthorizer {
  /** @throws when the caller may not */
  authorize(caller: Caller, identity: string): Promise<Caller>
}

/** Options of `certificateServiceHandlers`. */
export interface CertificateServiceOptions {
  readonly issuance: IssuanceService
  readonly authenticator: Authenticator
  /** Without one, every request for another's identity is refused. */
  readonly impersonation?: ImpersonationAuthorizer | undefined
  /** Services by the `CertSigner` that requests may name; a name that is not here is refused, no name takes `issuance`. */
  readonly signers?: Readonly<Record<string, IssuanceService>> | undefined
  /** Requests worked on at once; more are answered RESOURCE_EXHAUSTED. Default 4,096. */
  readonly maxInFlight?: number | undefined
  /** How the TLS peer of a call is found; the default asks grpc-js, which tells the leaf of a verified chain. */
  readonly tlsPeerOf?: TlsPeerOf | undefined
  readonly logger?: Logger | undefined
  readonly metrics?: Metrics | undefined
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>

/**
 * The implementation to add to a grpc-js server beside `certificateServiceDefinition`.
 *
 * Counters: `citadel_server_csr_count`, `citadel_server_authentication_failure_count`, `citadel_server_csr_sign_err_count{error}`,
 * `citadel_server_success_cert_issuance_count`, as Istio's CA has them.
 *
 * @example
 * ```ts
 * server.addService(certificateServiceDefinition, certificateServiceHandlers({ issuance, authenticator }))
 * ```
 */
export function certificateServiceHandlers(options: CertificateServiceOptions): UntypedServiceImplementation {
  const service = new CertificateService(options)
  return {
    CreateCertificate: (call: Call, reply: sendUnaryData<IstioCertificateResponse>) => {
      service.createCertificate(call).then(
        (response) => reply(null, response),
        (error: unknown) => reply(error as Partial<ServiceError>),
      )
    },
  }
}

class CertificateService {
  readonly #options: CertificateServiceOptions
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #inFlight: InFlightLimit

  constructor(options: CertificateServiceOptions) {
    this.#options = options
    this.#logger = options.logger ?? silentLogger
    this.#metrics = options.metrics ?? noMetrics
    this.#inFlight = new InFlightLimit(options.maxInFlight ?? 4096)
  }

  /** @throws `StatusAnswer`, which is all that a caller is told */
  async createCertificate(call: Call): Promise<IstioCertificateResponse> {
    this.#metrics.count('citadel_server_csr_count')
    const gone = new AbortController()
    call.on('cancelled', () => gone.abort())
    try {
      this.#inFlight.enter()
    } catch (error) {
      throw this.#refused(issuanceFailure(error), error, call)
    }
    try {
      const caller = await this.#callerOf(call, gone.signal)
      return await this.#issue(call, caller, gone.signal)
    } finally {
      this.#inFlight.leave()
    }
  }

  async #callerOf(call: Call, signal: AbortSignal): Promise<Caller> {
    const { authenticator, impersonation, tlsPeerOf = tlsPeerFromAuthContext } = this.#options
    let caller: Caller
    try {
      caller = await requireCaller(authenticator, authenticationRequestOf(call, tlsPeerOf, signal))
    } catch (error) {
      throw this.#refused(authenticationFailure, error, call)
    }
    const identity = metadataText(call, 'ImpersonatedIdentity')
    if (identity === '') return caller
    try {
      if (impersonation === undefined) throw new PkiError('ERR_CREDENTIAL_INVALID', 'impersonation is asked for and not set up here')
      return await impersonation.authorize(caller, identity)
    } catch (error) {
      throw this.#refused(impersonationFailure, error, call)
    }
  }

  async #issue(call: Call, caller: Caller, signal: AbortSignal): Promise<IstioCertificateResponse> {
    try {
      const { csr, validityDuration } = call.request
      const issued = await this.#signer(metadataText(call, 'CertSigner')).issue({ csr, ttlSeconds: requestedSeconds(validityDuration), signal }, caller)
      if (signal.aborted) throw new PkiError('ERR_ABORTED', 'the client left before it was answered')
      this.#metrics.count('citadel_server_success_cert_issuance_count')
      return this.#response(issued)
    } catch (error) {
      throw this.#refused(issuanceFailure(error), error, call)
    }
  }

  #signer(name: string): IssuanceService {
    if (name === '') return this.#options.issuance
    const { signers } = this.#options
    const signer = signers !== undefined && Object.hasOwn(signers, name) ? signers[name] : undefined
    if (signer === undefined) throw new PkiError('ERR_CSR_SIGNER', `no signer is called ${name}`)
    return signer
  }

  #response(issued: IssuedCertificate): IstioCertificateResponse {
    return { $typeName: 'istio.v1.auth.IstioCertificateResponse', certChain: certificateChainElements(issued) }
  }

  #refused(answer: FailureAnswer, error: unknown, call: Call): StatusAnswer {
    const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
    const failedAuthentication = answer.code === status.UNAUTHENTICATED
    if (failedAuthentication) this.#metrics.count('citadel_server_authentication_failure_count')
    else this.#metrics.count('citadel_server_csr_sign_err_count', { error: code })
    const fields = { code, reason: error instanceof Error ? error.message : 'unknown', peer: call.getPeer() }
    if (answer.code === status.INTERNAL) this.#logger.error({ ...fields, error }, 'certificate request failed')
    else this.#logger.warn(fields, 'certificate request refused')
    return new StatusAnswer(answer)
  }
}

/** A text of the request's metadata; absent and of another type are both empty, as Istio reads it. */
function metadataText(call: Call, name: string): string {
  const { metadata } = call.request
  const value = metadata !== undefined && Object.hasOwn(metadata, name) ? metadata[name] : undefined
  return typeof value === 'string' ? value : ''
}

/** Seconds asked for; 0 and less leave it to the CA. An int64 too large for a number is too large for any CA. */
function requestedSeconds(duration: bigint): number | undefined {
  return duration <= 0n ? undefined : Number(duration > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : duration)
}
