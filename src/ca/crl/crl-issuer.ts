// What a CA that revokes can do: issue the CRLs of its keys.

import type { CertificateInput, Crl } from '../../x509/index.ts'

/** Options of `issueCrl`. @inline */
export interface IssueCrlOptions {
  /** A certificate that this CA signed with before a rotation. Default: the one that it signs with. */
  readonly issuer?: CertificateInput
  /** Signs a list even where the last one is current and its contents have not changed. Default false. */
  readonly fresh?: boolean | undefined
  /**
   * The list of one shard: what a certificate names ends with `/` and the shard and `.crl`. Default: the
   * complete list.
   */
  readonly shard?: string
  /** The delta CRL, which has what changed since the last complete list of the same scope. Default false. */
  readonly delta?: boolean
}

/** Issues certificate revocation lists: RFC 5280 §5. */
export interface CrlIssuer {
  /** From a complete CRL to its nextUpdate, in seconds. Absent for an authority that does not know it. */
  readonly crlTtlSeconds?: number | undefined
  /**
   * The current CRL of one CA key. A list is signed where something was revoked or released since the last
   * one, or two thirds of its life are over; otherwise the last one is returned. With delta CRLs a complete
   * list is signed anew only after two thirds of its life, and the delta has what was revoked since. Calls
   * that overlap share a list that begins after the first of them. A long list is made in turns of the event
   * loop.
   *
   * @throws ERR_CA_EXPIRED, ERR_CA_SIGNATURE, ERR_LINT, ERR_STORE_CONFLICT where other processes publish all
   *   the time; ERR_CRL_SHARD_UNKNOWN; ERR_INVALID_ARGUMENT for an issuer that is not this CA's, and for
   * a delta
   *   without `deltaTtlSeconds`; what store and signer throw
   */
  issueCrl(options?: IssueCrlOptions): Promise<Crl>
  /**
   * Every list: the complete CRL of the current key first, then its delta and its shards, then those of
   * earlier keys that still have certificates which are not expired. @throws as `issueCrl`
   */
  issueCrls(): Promise<readonly Crl[]>
}
