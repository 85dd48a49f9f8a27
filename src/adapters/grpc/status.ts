// The table from error codes to gRPC statuses, as in Istio's CA: Istio's agents retry only some statuses.

import type { Metadata } from '@grpc/grpc-js'
import { isPkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'

type StatusName =
  | 'OK'
  | 'CANCELLED'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'ABORTED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'UNAUTHENTICATED'

/** Status codes of gRPC that this adapter sends or reads. */
export const status: Readonly<Record<StatusName, number>> = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
}

/** An error whose code and details grpc-js sends to the caller. */
export class StatusAnswer extends Error {
  readonly code: number
  readonly details: string
  /** Trailers; grpc-js expects null for no trailers. */
  readonly metadata: Metadata | null

  constructor({ code, details }: FailureAnswer, metadata: Metadata | null = null) {
    super(details)
    this.code = code
    // grpc-js throws an uncaught exception for a lone surrogate, so such text is not sent.
    this.details = Buffer.from(details).toString()
    this.metadata = metadata
  }
}

/** A status and its text. */
export interface FailureAnswer {
  readonly code: number
  readonly details: string
}

/** The response to every failed authentication: the reason is only logged. */
export const authenticationFailure: FailureAnswer = {
  code: status.UNAUTHENTICATED,
  details: 'request authenticate failure',
}

/** The response to every refused impersonation. */
export const impersonationFailure: FailureAnswer = {
  code: status.UNAUTHENTICATED,
  details: 'request impersonation authentication failure',
}

/** A service that verifies credentials cannot be reached now. */
export const unavailableFailure: FailureAnswer = {
  code: status.UNAVAILABLE,
  details: 'request cannot be authenticated now',
}

/**
 * The response to an error of issuance: faults of the requester are explained; for internal errors only the
 * code is sent.
 */
export function issuanceFailure(error: unknown): FailureAnswer {
  const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
  const found = grpcStatusOf(code)
  if (found === status.UNAUTHENTICATED) return authenticationFailure
  const reason = found === status.INVALID_ARGUMENT && isPkiError(error) ? `${code}: ${error.message}` : code
  return { code: found, details: `CSR signing error (${reason})` }
}

/** The gRPC status for a code of the catalogue. */
export function grpcStatusOf(code: PkiErrorCode): number {
  const exact = exactStatuses[code]
  if (exact !== undefined) return exact
  return requesterPrefixes.some((prefix) => code.startsWith(prefix))
    ? status.INVALID_ARGUMENT
    : status.INTERNAL
}

/** The error names of Istio's counters. */
export function errorTypeOf(
  code: PkiErrorCode,
): 'TTL_ERROR' | 'CSR_ERROR' | 'CA_NOT_READY' | 'CERT_GEN_ERROR' | 'UNKNOWN' {
  if (code === 'ERR_TTL') return 'TTL_ERROR'
  const found = grpcStatusOf(code)
  if (found === status.INVALID_ARGUMENT) return 'CSR_ERROR'
  if (found === status.UNAVAILABLE) return 'CA_NOT_READY'
  return found === status.INTERNAL || found === status.ABORTED ? 'CERT_GEN_ERROR' : 'UNKNOWN'
}

/** The trailer with the retry delay in milliseconds. */
export const retryPushback = 'grpc-retry-pushback-ms'

const exactStatuses: Partial<Record<PkiErrorCode, number>> = {
  ERR_ABORTED: status.CANCELLED,
  ERR_TIMEOUT: status.DEADLINE_EXCEEDED,
  ERR_PREPARED_EXPIRED: status.ABORTED,
  ERR_POLICY_FAILED: status.INTERNAL,
  ERR_CLOSED: status.UNAVAILABLE,
  ERR_OVERLOADED: status.RESOURCE_EXHAUSTED,
  ERR_POLICY_RATE: status.RESOURCE_EXHAUSTED,
  ERR_HSM_QUEUE_FULL: status.RESOURCE_EXHAUSTED,
  ERR_HSM_UNAVAILABLE: status.UNAVAILABLE,
  ERR_STORE_FULL: status.RESOURCE_EXHAUSTED,
  ERR_STORE_UNAVAILABLE: status.UNAVAILABLE,
  ERR_STORE_FAILED: status.UNAVAILABLE,
  ERR_STORE_CLOCK: status.UNAVAILABLE,
  ERR_MESSAGE_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  ERR_CREDENTIAL_MISSING: status.UNAUTHENTICATED,
  ERR_CREDENTIAL_INVALID: status.UNAUTHENTICATED,
  ERR_CLIENT_CERTIFICATE_UNTRUSTED: status.UNAUTHENTICATED,
  ERR_AUTHENTICATOR_FAILED: status.UNAUTHENTICATED,
  ERR_AUTHENTICATOR_UNAVAILABLE: status.UNAVAILABLE,
  ERR_KUBERNETES_FORBIDDEN: status.UNAUTHENTICATED,
  ERR_IMPERSONATION_DENIED: status.UNAUTHENTICATED,
  ERR_TTL: status.INVALID_ARGUMENT,
  ERR_LIMIT_EXCEEDED: status.INVALID_ARGUMENT,
  ERR_KEY_WEAK: status.INVALID_ARGUMENT,
  ERR_KEY_UNSUPPORTED: status.INVALID_ARGUMENT,
  ERR_KEY_EXPLICIT_PARAMETERS: status.INVALID_ARGUMENT,
  ERR_KEY_MALFORMED: status.INVALID_ARGUMENT,
  ERR_INVALID_ARGUMENT: status.INTERNAL,
}

/** Codes for faults of a request. */
const requesterPrefixes = [
  'ERR_CSR_',
  'ERR_PEM',
  'ERR_BASE64',
  'ERR_DER',
  'ERR_OID_',
  'ERR_STRING_',
  'ERR_NAME_',
  'ERR_EXTENSION_',
  'ERR_ALGORITHM_',
  'ERR_SPIFFE_',
  'ERR_TRUST_DOMAIN_',
  'ERR_POLICY_',
]
