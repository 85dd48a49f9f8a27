// The contract of an upstream: a parent CA that certifies the keys of this CA and returns the trusted roots.

import type { Certificate, CertificateRequest } from '../../x509/index.ts'

/** A request for the certificate of an intermediate CA. @inline */
export interface UpstreamRequest {
  /** Subject, URI of the trust domain and proof of possession of the new key. */
  readonly csr: CertificateRequest
  /** The requested validity; a shorter one is accepted. */
  readonly ttlSeconds: number
  readonly signal?: AbortSignal | undefined
}

/** The answer of an upstream, which is verified before use. @inline */
export interface UpstreamAnswer {
  /** The certificate of the requested key. */
  readonly certificate: Certificate
  /** The CA certificates above it, without the root, in any order. */
  readonly chain: readonly Certificate[]
  /** The roots that the upstream trusts now. */
  readonly roots: readonly Certificate[]
}

/**
 * Issues the certificates of a `RotatingAuthority`, and returns the trusted roots. Answers are verified: key,
 * names, validity, chain, purposes.
 *
 * Every implementation passes `contracts.UpstreamAuthority` of `spiffe-pki/testing`.
 */
export interface UpstreamAuthority {
  /** For logs and errors. */
  readonly name: string
  /**
   * Certifies the key of the request as an intermediate CA.
   * @throws ERR_CA_REFUSED, ERR_CA_UNAUTHENTICATED, ERR_CA_UNAVAILABLE, ERR_ABORTED
   */
  issueIntermediate(request: UpstreamRequest): Promise<UpstreamAnswer>
  /** The roots that are trusted now. @throws as `issueIntermediate` */
  roots(signal?: AbortSignal): Promise<readonly Certificate[]>
  /**
   * Calls `listener` after a change of the roots; returns a function that stops the calls. Without this
   * method, `roots` is polled.
   */
  watchRoots?(listener: () => void): () => void
}
