// The contract of a CA as its clients use it, and a client for a CA in the same process.

import { checkMethods, requireMethods } from '../internal/option-types.ts'
import type { Certificate, CertificateRequest } from '../x509/index.ts'

/** A request of a workload to its CA. @inline */
export interface CaRequest {
  /** Its signature proves that the sender holds the private key. */
  readonly csr: CertificateRequest
  /** The requested validity; the CA may issue a shorter one. */
  readonly ttlSeconds?: number | undefined
  /** Aborts when no caller waits for the answer any longer. */
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
  /**
   * Calls `listener` with the certificate of each authority that becomes tainted: holders of certificates
   * below it must renew. Returns a function that stops the calls. A client that cannot learn of taints has no
   * `onTaint`.
   */
  onTaint?(listener: (authority: Certificate) => void): () => void
}

/** A source of the states of authorities, such as the result of `createRotatingAuthority`. @inline */
export interface TaintTeller {
  onEvent(
    listener: (event: { readonly kind: string; readonly certificate?: Certificate }) => void,
  ): () => void
}

/**
 * The client of an issuance service in the same process, as `caller`. With `authorities`, from
 * `createRotatingAuthority` or `createCaService`, sources renew early when the authority above their
 * certificate is tainted.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const identities = [SpiffeId.parse('spiffe://example.org/api')]
 * const ca = localCaClient(issuance, { identities, credential: 'local', claims: {} })
 * ```
 */
export function localCaClient<Caller>(
  service: { issue(request: CaRequest, caller: Caller): Promise<CaAnswer> },
  caller: Caller,
  authorities?: TaintTeller,
): CaClient {
  requireMethods('localCaClient', 'service', service, 'issue')
  checkMethods('localCaClient', { authorities }, 'onEvent')
  const issue = (request: CaRequest): Promise<CaAnswer> => service.issue(request, caller)
  if (authorities === undefined) return { issue }
  return {
    issue,
    onTaint: (listener) =>
      authorities.onEvent(({ kind, certificate }) => {
        if (kind === 'tainted' && certificate !== undefined) listener(certificate)
      }),
  }
}
