// The contract of leases: one process at a time rotates, numbers CRLs and sequences the audit log.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { nameOf } from '../../internal/values/name-of.ts'

/** An acquired lease. */
export interface Lease {
  /** Its purpose: `crl`, `rotation`, `audit`. */
  readonly name: string
  /** The holder: unique for each process. */
  readonly holder: string
  /** Increases by at least one each time the lease changes its holder or had expired; never decreases. */
  readonly epoch: number
  /** The end of the lease, by the store's clock. */
  readonly expiresAt: Date
}

/**
 * The lease epoch in a write of a leader. The store compares it inside the transaction of the write: a lease
 * alone does not stop a process that was suspended after its last check.
 * @inline
 */
export type Fence = Pick<Lease, 'name' | 'epoch'>

/** Leases, timed by the clock of the store, so that the clocks of the processes may differ. */
export interface LeaseStore {
  /**
   * Acquires a free or expired lease, or extends the holder's own, for `ttlMs`
   * from now. Undefined while another holder has it.
   *
   * @throws ERR_INVALID_ARGUMENT for an empty name or holder, or a time that is not a whole number of
   * milliseconds from 1 on
   */
  acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined>
  /**
   * Releases the lease, so that another holder need not wait for its end. Does
   * nothing if the epoch is not the current one.
   */
  release(lease: Lease): Promise<void>
  /** The store's clock. */
  now(): Promise<Date>
}

/**
 * The checks of every store before it grants a lease: a time that is not a number would never end or never
 * begin, and '' is the holder of a released lease. @throws ERR_INVALID_ARGUMENT
 */
export function requireLeaseTerms(name: string, holder: string, ttlMs: number): void {
  requireCount('ttlMs', ttlMs, 1)
  for (const text of [name, holder] as readonly unknown[])
    if (typeof text !== 'string' || text === '')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `name and holder of a lease must be text and not empty, found ${nameOf(text)}`,
      )
}
