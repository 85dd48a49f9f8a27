// The contract of a CA as its clients use it, and a client for a CA in the same process.

import type { Certificate, CertificateRequest } from '../x509/index.ts'

/** A request of a workload to its CA. @inline */
export interface CaRequest {
  /** Its signature proves that the sender holds the private key. */
  readonly csr: CertificateRequest
  /** The requested validity; the CA may issue a shorter one. */
  readonly ttlSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The answer of a CA. `X509Source` verifies all of it before use. @inline */
export interface CaAnswer {
  /** The certificate for the key of the request. */
  readonly certificate: Certificate
  /** The issuers of the certificate, nearest first, without the root. */
  readonly chain: readonly Certificate[]
  /** The roots of the CA's trust domain at the time of the answer. */
  readonly roots: readonly Certificate[]
}

/**
 * Obtains certificates from a CA: in this process, over gRPC, or from files.
 *
 * An error with `retryable: true` may succeed later; every other refusal is final for this credential.
 */
export interface CaClient {
  /** @throws the refusal, or the failure of the transport */
  issue(request: CaRequest): Promise<CaAnswer>
}

/**
 * The client of an issuance service in the same process, as `caller`.
 *
 * @example
 * ```ts
 * const identities = [SpiffeId.parse('spiffe://example.org/api')]
 * const ca = localCaClient(issuance, { identities, credential: 'local', claims: {} })
 * ```
 */
export function localCaClient<Caller>(
  service: { issue(request: CaRequest, caller: Caller): Promise<CaAnswer> },
  caller: Caller,
): CaClient {
  return { issue: (request) => service.issue(request, caller) }
}
