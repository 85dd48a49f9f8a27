// The contract of a remote CA that signs leaves: Vault's sign, Google CAS, a CA of Istio's protocol.

import type { Certificate, CertificateRequest, DistinguishedName, GeneralName } from '../../x509/index.ts'

/** The decision, and the request of the holder. @inline */
export interface RemoteSigningRequest {
  /** The request; its proof of possession was verified. */
  readonly csr: CertificateRequest
  /** The names of the decision; the certificate must have exactly these. */
  readonly subjectAltName: readonly GeneralName[]
  /** The subject; undefined for an empty one. */
  readonly subject: DistinguishedName | undefined
  /** A shorter validity is accepted. */
  readonly ttlSeconds: number
  readonly signal?: AbortSignal | undefined
}

/** The answer of a remote CA, which is verified against the decision. @inline */
export interface RemoteSigningAnswer {
  readonly certificate: Certificate
  /** Its issuers, without the root, in any order. */
  readonly chain: readonly Certificate[]
  /** The roots that the CA trusts now. */
  readonly roots: readonly Certificate[]
}

/**
 * Has a remote CA sign the certificates that this service decides on. Answers are verified: key, names,
 * validity, chain, purposes.
 *
 * Every implementation passes `contracts.RemoteSigner` of `spiffe-pki/testing`.
 */
export interface RemoteSigner {
  /** For logs and errors. */
  readonly name: string
  /** @throws ERR_CA_REFUSED, ERR_CA_UNAUTHENTICATED, ERR_CA_UNAVAILABLE, ERR_CA_REPLY, ERR_ABORTED */
  sign(request: RemoteSigningRequest): Promise<RemoteSigningAnswer>
  /** The roots that are trusted now. @throws as `sign` */
  roots(signal?: AbortSignal): Promise<readonly Certificate[]>
}
