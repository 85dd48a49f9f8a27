// The contract of the authority store: the authorities of a CA and their states.

import type { Fence } from './lease-store.ts'
import type { WriteOptions } from './certificate-store.ts'

/** The states of an authority, in this order; `tainted` may be skipped. @inline */
export type AuthorityState = 'prepared' | 'published' | 'active' | 'tainted' | 'retired' | 'revoked'

/** One authority: a CA certificate and the name of its key. @inline */
export interface AuthorityRecord {
  /** Chosen by the creator of the record; never reused. */
  readonly id: string
  readonly state: AuthorityState
  /** DER of the CA certificate. */
  readonly certificate: Uint8Array
  /** DER of the CA certificates above it, the nearest first, without the root. */
  readonly chain: readonly Uint8Array[]
  /** DER of the roots above it. */
  readonly roots: readonly Uint8Array[]
  /** The id and version of its key in the `KeyManager`. */
  readonly keyId: string
  readonly keyVersion: number
  /** The time of the change to this state. */
  readonly since: Date
  /** 1 in the first record, incremented with every change. */
  readonly version: number
  /** Additional data of the owner, such as a rotation time: JSON text of at most 64 KiB. */
  readonly details?: string | undefined
}

/** Options of `AuthorityStore.update`. @inline */
export interface FencedWriteOptions extends WriteOptions {
  /** Refuses the write if a later epoch of the lease was acquired. */
  readonly fence?: Fence | undefined
}

/** The authorities of one CA. */
export interface AuthorityStore {
  /** All authorities, in the order in which they were added. */
  list(): Promise<readonly AuthorityRecord[]>
  /**
   * Adds and replaces records atomically: each must have the version of the stored one plus 1 (1 if there is
   * none). Atomically with it the issuer of a record that becomes `revoked` is blocked: no further intent or
   * certificate of that issuer is recorded.
   *
   * @throws ERR_STORE_CONFLICT, ERR_LEASE_STALE
   */
  update(records: readonly AuthorityRecord[], options?: FencedWriteOptions): Promise<void>
}
