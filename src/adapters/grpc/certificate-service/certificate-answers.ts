// The answer to a request of Istio's certificate service: authenticates, issues, and returns one certificate
// per element with the roots last.

import type { ServerUnaryCall } from '@grpc/grpc-js'
import { requireCaller } from '../../../auth/index.ts'
import { checkCaller } from '../../../auth/internal.ts'
import type { Caller } from '../../../auth/index.ts'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { parseIpAddress } from '../../../internal/ip-address.ts'
import type { IssuanceService } from '../../../issuance/index.ts'
import { FairLine } from '../../../internal/turns/turn-lines.ts'
import { metricNames } from '../../../runtime/index.ts'
import type { Logger, Metrics } from '../../../runtime/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import type { IstioCertificateRequest, IstioCertificateResponse } from '../gen/istio/v1/auth/ca_pb.ts'
import { admittedCallOf } from '../server/index.ts'
import type { AdmittedCall } from '../server/index.ts'
import { authenticationRequestOf, parsePeer, tlsPeerFromAuthContext } from './authentication-request.ts'
import type { TlsPeerOf } from './authentication-request.ts'
import { certificateChainElements } from './certificate-chain.ts'
import type { CertificateServiceOptions } from './service-options.ts'

/** A call as grpc-js has it. */
export type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>

/** One request that is being answered. */
export interface CertificateCall {
  readonly call: Call
  /** The connection in the listener; undefined on a custom server. */
  readonly admitted: AdmittedCall | undefined
  /** Aborted, with the reason, when the client disconnects or the time has passed. */
  readonly signal: AbortSignal
  /** The stage that the request has reached; it determines the response to a failure. */
  stage: 'authentication' | 'impersonation' | 'issuance'
}

/** Authenticates callers and issues their certificates. */
export class CertificateAnswers {
  readonly #options: CertificateServiceOptions
  readonly #logger: Logger
  readonly #metrics: Metrics
  /** Verifying a chain before authentication may take milliseconds: one per turn of the event loop. */
  readonly #strangers = new FairLine(1)
  readonly #known = new FairLine(16)

  constructor(options: CertificateServiceOptions, logger: Logger, metrics: Metrics) {
    this.#options = options
    this.#logger = logger
    this.#metrics = metrics
  }

  /** Waits for its turn, then answers. @throws the error of the failed stage, which is `stage` of the call */
  async answer(work: CertificateCall): Promise<IstioCertificateResponse> {
    const { call, admitted, signal } = work
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
      return {
        $typeName: 'istio.v1.auth.IstioCertificateResponse',
        certChain: certificateChainElements(issued),
      }
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
