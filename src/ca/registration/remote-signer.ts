// The contract of a remote CA that signs leaves: Vault's sign, Google CAS, a CA of Istio's protocol.

import type { Certificate, CertificateRequest, DistinguishedName, GeneralName } from '../../x509/index.ts'

/** What was decided, and the request of the holder. @inline */
export interface RemoteSigningRequest {
  /** Its proof of possession was verified. */
  readonly csr: CertificateRequest
  /** The names that were decided on: exactly these. */
  readonly subjectAltName: readonly GeneralName[]
  /** Undefined: the subject is empty. */
  readonly subject: DistinguishedName | undefined
  /** A shorter validity is accepted. */
  readonly ttlSeconds: number
  readonly signal?: AbortSignal | undefined
}

/** What a remote CA answers. It is verified against the decision. @inline */
export interface RemoteSigningAnswer {
  readonly certificate: Certificate
  /** Its issuers, without the root, in any order. */
  readonly chain: readonly Certificate[]
  /** The roots that the CA trusts now. */
  readonly roots: readonly Certificate[]
}

/**
 * Has a CA elsewhere sign what was decided here. Answers are verified: key, names, validity, chain, purposes.
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
