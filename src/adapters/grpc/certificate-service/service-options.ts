// Options of Istio's certificate service, and who may request certificates for others.

import type { Authenticator, Caller } from '../../../auth/index.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import type { IssuanceService } from '../../../issuance/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { TlsPeerOf } from './authentication-request.ts'

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
