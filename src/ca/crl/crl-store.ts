// Where the number and the last list of each issuer and shard are kept.

import type { FencedWriteOptions } from '../records/authority-store.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'

/** An issued list. */
export interface StoredCrl {
  /** The subjectKeyIdentifier of the CA that signed it. */
  readonly issuer: KeyIdentifier
  /** '' for the complete list of the issuer. */
  readonly shard: string
  /** Its cRLNumber (RFC 5280 §5.2.3). */
  readonly number: bigint
  /** DER. */
  readonly crl: Uint8Array
  readonly thisUpdate: Date
  readonly nextUpdate: Date
}

/** Options of `CrlStore.publish`. @inline */
export interface PublishCrlOptions extends FencedWriteOptions {
  /** The number of the last list that the caller has seen; undefined if there was none. */
  readonly expectedNumber: bigint | undefined
}

/** The last list of each issuer and shard, until `CertificateStore.prune` of the storage removes it. */
export interface CrlStore {
  /** The last list; undefined if none was issued. */
  last(issuer: KeyIdentifier, shard: string): Promise<StoredCrl | undefined>
  /**
   * Stores the next list, if the last one is still the expected one and has a smaller number. A list is
   * published only after this resolves.
   *
   * @throws ERR_STORE_CONFLICT, ERR_LEASE_STALE; ERR_INVALID_ARGUMENT without `expectedNumber`
   */
  publish(crl: StoredCrl, options: PublishCrlOptions): Promise<void>
  /** The last list of every issuer and shard. */
  list(): Promise<readonly StoredCrl[]>
  /**
   * The latest recorded time, for a store that refuses a much earlier clock unless the operator accepts it.
   * It decides whether a list may have an earlier thisUpdate than the last one, if that was signed while the
   * clock was far ahead. Without this method thisUpdate never decreases.
   */
  latestTime?(): Promise<Date>
}
