// The contract of the certificate store, whose calls resolve when their effect is durable: intent → outcome,
// revocations, queries.

import type { SpiffeId } from '../../spiffe/index.ts'
import type { SerialNumber } from '../../x509/index.ts'
import type {
  CertificateId,
  CertificateRecord,
  CertificateState,
  IssuanceIntent,
  KeyIdentifier,
  Revocation,
} from './certificate-record.ts'

/**
 * Audit entries that become durable in the same transaction as the write they describe, or not at all.
 * Every write refuses an unknown option with ERR_INVALID_ARGUMENT.
 * @inline
 */
export interface WriteOptions {
  readonly audit?: readonly Uint8Array[] | undefined
}

/** The outcome of a signing operation. @inline */
export type IssuanceOutcome = { readonly certificate: Uint8Array } | { readonly failed: true }

/** The state and revocation of a certificate, from its record. @inline */
export type RecordedStatus = Pick<CertificateRecord, 'state' | 'revocation'>

/** Intent and outcome of each signature. */
interface IssuanceRecorder {
  /**
   * Records an intent to sign. It reserves serial number and idempotency key in every process. Atomically
   * with it, the certificate that is renewed is checked again.
   *
   * @throws ERR_SERIAL_EXISTS, ERR_IDEMPOTENCY_KEY, ERR_STORE_FULL; ERR_RENEWAL_REFUSED if the renewed
   * certificate is unknown or revoked; ERR_RENEWAL_BLOCKED if the identity, key or certificate is on the
   * block-list; ERR_PREPARED_EXPIRED if the authority that issues is revoked
   */
  recordIntent(intent: IssuanceIntent, options?: WriteOptions): Promise<void>
  /**
   * Records the outcome of signing; `intended` becomes `issued` or `failed`. Repeating the same outcome
   * changes nothing. A failure frees the idempotency key.
   *
   * @throws ERR_CERTIFICATE_UNKNOWN; ERR_STORE_CONFLICT if another outcome is recorded; ERR_RENEWAL_REFUSED
   * if `certificate` is given and the certificate that it renews was revoked since the intent;
   * ERR_RENEWAL_BLOCKED if it was blocked since the intent; ERR_PREPARED_EXPIRED if its issuer was revoked
   */
  recordOutcome(id: CertificateId, outcome: IssuanceOutcome, options?: WriteOptions): Promise<void>
  /** The record of one certificate; undefined if there is none. */
  find(id: CertificateId): Promise<CertificateRecord | undefined>
  /**
   * State and revocation of the record, without its octets: for OCSP and for the check of each client. If a
   * store lacks this method, the whole record is read.
   */
  statusOf?(id: CertificateId): Promise<RecordedStatus | undefined>
}

/** Data for revoking a certificate without a record; all of it is read from the certificate. @inline */
export interface UnrecordedCertificate {
  /** DER. */
  readonly certificate: Uint8Array
  readonly identity: SpiffeId
  readonly keyIdentifier: KeyIdentifier
  readonly notBefore: Date
  readonly notAfter: Date
  readonly shard?: string | undefined
}

/** Options of `revoke`. @inline */
export interface RevokeOptions extends WriteOptions {
  /**
   * Creates a record in the state `issued` if the certificate has none: after
   * a restored backup, or for another CA process.
   */
  readonly unrecorded?: UnrecordedCertificate | undefined
}

/** Which revoked certificates `revocations` returns. @inline */
export interface RevocationsQuery {
  readonly issuer: KeyIdentifier
  /** Only certificates of this shard. Default: all. */
  readonly shard?: string | undefined
  /** Only certificates whose notAfter is this time or later. */
  readonly notExpiredAt: Date
  /** `next` of the previous page. Default: starts at the first change. */
  readonly after?: string | undefined
  /** 1 to 10,000; default 1,000. */
  readonly limit?: number | undefined
}

/** One page of results. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /**
   * The cursor of the next page: pass it as `after`. Undefined on the last page of `query`. `revocations`
   * always returns one, so that a list can be continued with later changes.
   */
  readonly next: string | undefined
}

/** One revoked certificate, as a CRL lists it. */
export interface RevokedRecord extends CertificateId {
  readonly notAfter: Date
  readonly intendedAt: Date
  readonly shard: string
  /** Undefined: a hold was released, and an earlier page may have contained the certificate. */
  readonly revocation: Revocation | undefined
}

/** Revocations. */
interface RevocationRecorder {
  /**
   * Revokes a certificate. The first revocation stays, with two exceptions: a `certificateHold` can be
   * changed to any other reason, and every reason can become `keyCompromise`. The time of the first
   * revocation always stays.
   *
   * @throws ERR_CERTIFICATE_UNKNOWN, ERR_STORE_FULL
   */
  revoke(id: CertificateId, revocation: Revocation, options?: RevokeOptions): Promise<CertificateRecord>
  /**
   * Ends a `certificateHold`.
   * @throws ERR_CERTIFICATE_UNKNOWN; ERR_STORE_CONFLICT for a certificate that is not on hold
   */
  release(id: CertificateId, options?: WriteOptions): Promise<CertificateRecord>
  /**
   * Revoked certificates in the order of their last change, so that a list can be continued from a cursor.
   */
  revocations(query: RevocationsQuery): Promise<Page<RevokedRecord>>
}

/**
 * The conditions of `query`; all given ones must hold. A condition that is present but undefined is refused.
 * @inline
 */
export interface CertificateQuery {
  readonly issuer?: KeyIdentifier
  readonly serialNumber?: SerialNumber
  readonly identity?: SpiffeId
  /** The key identifier of the subject's key. */
  readonly keyIdentifier?: KeyIdentifier
  readonly state?: CertificateState
  readonly revoked?: boolean
  readonly idempotencyKey?: string
  /** Certificates that replace this one. */
  readonly renews?: CertificateId
  /** intendedAt at this time or later. */
  readonly intendedFrom?: Date
  /** intendedAt before this time. */
  readonly intendedBefore?: Date
  /** notAfter at this time or later. */
  readonly notAfterFrom?: Date
  /** notAfter before this time. */
  readonly notAfterBefore?: Date
  /** `next` of the previous page. Default: the first page. */
  readonly after?: string | undefined
  /** 1 to 1,000; default 100. */
  readonly limit?: number | undefined
}

/** Options of `prune`. @inline */
export interface PruneOptions {
  /** The current time, by the clock of the caller. */
  readonly now: Date
  /** How long a record stays after notAfter, in seconds: at least the lifetime of one CRL (RFC 5280 §3.3). */
  readonly lookBackSeconds: number
}

/** The result of `prune`. */
export interface PruneResult {
  /** The number of records that became `lapsed`. */
  readonly lapsed: number
  /** The number of records that were removed. */
  readonly removed: number
}

/** Search and retention. */
export interface CertificateSearch {
  /**
   * Records in the order of their intents; with a condition on notAfter they are ordered by notAfter,
   * otherwise with one on intendedAt by intendedAt; records with the same time are in the order of their
   * intents. The cursor is stable: a record that always matches occurs exactly once, also if records are
   * written between two pages.
   *
   * @throws ERR_INVALID_ARGUMENT for an unknown or undefined condition, and for a cursor of another query
   */
  query(query: CertificateQuery): Promise<Page<CertificateRecord>>
  /**
   * Changes expired `intended` records to `lapsed`, and removes records that expired longer ago than the
   * look-back. No other record is removed. CRLs in the same storage are removed if their issuer has no
   * records and their nextUpdate is longer ago than the look-back. A list whose number is above that time in
   * milliseconds stays, so that a later list of the issuer has a higher number.
   *
   * @throws ERR_INVALID_ARGUMENT for an invalid Date, a look-back that is not a number of at least 0, and an
   *   unknown option
   */
  prune(options: PruneOptions): Promise<PruneResult>
}

/** All records of a CA's certificates, keyed by issuer and serial number. */
export interface CertificateStore extends IssuanceRecorder, RevocationRecorder, CertificateSearch {}
