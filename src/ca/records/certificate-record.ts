// The record of one certificate, from the intent to sign it to its revocation.

import { toUpperHex } from '../../internal/bytes.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { SerialNumber } from '../../x509/index.ts'
import type { RevocationReason } from '../crl/revocation-reason.ts'

/**
 * A key identifier (RFC 5280 §4.2.1.1, §4.2.1.2) as text: upper-case
 * hexadecimal. Equal octets have equal text.
 *
 * @inline
 */
export type KeyIdentifier = string & { readonly keyIdentifier: unique symbol }

/** The text form of a key identifier. */
export function keyIdentifierOf(octets: Uint8Array): KeyIdentifier {
  return toUpperHex(octets) as KeyIdentifier
}

/**
 * The identification of one certificate: serial numbers are unique only within one issuer (RFC 5280
 * §4.1.2.2).
 * @inline
 */
export interface CertificateId {
  /** The authorityKeyIdentifier of the certificate, which is the subjectKeyIdentifier of its issuer. */
  readonly issuer: KeyIdentifier
  readonly serialNumber: SerialNumber
}

/** The caller of a request, as recorded: without secrets and claims. @inline */
export interface RecordedCaller {
  /** The kind of the credential: `x509`, `kubernetes-jwt`, `oidc`, … */
  readonly credential: string
  /** The identities of the credential. */
  readonly identities: readonly SpiffeId[]
}

/** Data of a certificate before its signature exists. It is durable before anything is signed. @inline */
export interface IssuanceIntent extends CertificateId {
  /** The exact bytes that will be signed: the DER of the TBSCertificate. */
  readonly tbs: Uint8Array
  /** The SPIFFE ID of the certificate. */
  readonly identity: SpiffeId
  /** The key identifier of the subject's key: RFC 7093 §2 method 1. */
  readonly keyIdentifier: KeyIdentifier
  /** The expiry of the certificate; its last second is inclusive. */
  readonly notAfter: Date
  /** The time of the decision to sign. */
  readonly intendedAt: Date
  /** The caller of the request. */
  readonly caller: RecordedCaller
  /** The name of the policy rule that allowed the request. */
  readonly rule: string
  /** The certificate that this one replaces. */
  readonly renews?: CertificateId | undefined
  /** Lets a retry find the first certificate: unique among all records, 1 to 256 characters. */
  readonly idempotencyKey?: string | undefined
  /** The CRL shard that will list the certificate if it is revoked; '' for the complete list. Default ''. */
  readonly shard?: string | undefined
}

/**
 * The state of a certificate.
 *
 * - `intended`: signing began and its outcome is not recorded; it counts as issued.
 * - `issued`: signed, checked and recorded.
 * - `failed`: not signed, or the signature was discarded.
 * - `lapsed`: `intended` until `prune` found it expired; it is unknown whether it was signed.
 *
 * @inline
 */
export type CertificateState = 'intended' | 'issued' | 'failed' | 'lapsed'

/** The reason and time of a revocation. @inline */
export interface Revocation {
  readonly reason: RevocationReason
  readonly revokedAt: Date
}

/**
 * One certificate, from intent to revocation. Records returned by a store are frozen, and their octets are
 * copies.
 */
export interface CertificateRecord extends Omit<IssuanceIntent, 'tbs' | 'shard'> {
  /** '' for the complete list. */
  readonly shard: string
  readonly state: CertificateState
  /** DER of the TBSCertificate in the states without a certificate: `intended`, `failed` and `lapsed`. */
  readonly tbs?: Uint8Array | undefined
  /** DER of the certificate in the state `issued`. */
  readonly certificate?: Uint8Array | undefined
  /** Undefined while the certificate is not revoked. */
  readonly revocation?: Revocation | undefined
}
