// The contract of a CA that issues CRLs for its keys.

import type { CertificateInput, Crl } from '../../x509/index.ts'

/** Options of `issueCrl`. @inline */
export interface IssueCrlOptions {
  /** A CA certificate from before a rotation. Default: the current CA certificate. */
  readonly issuer?: CertificateInput
  /** Signs a new list even if the last one is current and unchanged. Default false. */
  readonly fresh?: boolean | undefined
  /**
   * The name of a shard: the URL in its certificates ends with `/`, the shard and `.crl`. Default: the
   * complete list.
   */
  readonly shard?: string
  /**
   * Returns the delta CRL, with the changes since the last complete list of the same scope. Default false.
   */
  readonly delta?: boolean
}

/** Issues certificate revocation lists: RFC 5280 §5. */
export interface CrlIssuer {
  /** Time from a complete CRL to its nextUpdate, in seconds. Absent if it is not known. */
  readonly crlTtlSeconds?: number | undefined
  /**
   * The current CRL of one CA key. A new list is signed if a revocation or release has changed since the last
   * one, or two thirds of its validity have passed; otherwise the last one is returned. With delta CRLs a
   * complete list is signed anew only after two thirds of its validity, and the delta has the revocations
   * since. Concurrent calls share a list. A long list is made in several turns of the event loop.
   * Callers share one object; if one writes into its octets, later calls get another copy, up to 1 MiB. Do
   * not write into a longer list.
   *
   * @throws ERR_CA_EXPIRED, ERR_CA_SIGNATURE, ERR_LINT, ERR_STORE_CONFLICT if other processes publish
   *   continuously; ERR_CRL_SHARD_UNKNOWN; ERR_INVALID_ARGUMENT for an issuer that is not this CA's, and for
   *   a delta without `deltaTtlSeconds`; the errors of store and signer
   */
  issueCrl(options?: IssueCrlOptions): Promise<Crl>
  /**
   * Every list: the complete CRL of the current key first, then its delta and its shards, then those of
   * earlier keys that still have unexpired certificates. @throws as `issueCrl`
   */
  issueCrls(): Promise<readonly Crl[]>
}
