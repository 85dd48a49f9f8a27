// The contract of the audit store: entries (opaque octets) and their sequence.

import type { Fence } from './lease-store.ts'

/** One entry with its index in the log. */
export interface SequencedEntry {
  /** Starts at 0, without gaps. */
  readonly index: number
  readonly entry: Uint8Array
}

/**
 * The audit log. An entry becomes durable with the write that it describes (`audit` of the other stores) or
 * alone (`append`). Its index is assigned later by the only process that sequences, so writers do not wait
 * for one another.
 */
export interface AuditStore {
  /** Appends entries that do not belong to another write. */
  append(entries: readonly Uint8Array[]): Promise<void>
  /**
   * Assigns the next indexes to at most `limit` entries, in the order in which they became durable.
   * @throws ERR_LEASE_STALE
   */
  sequence(limit: number, fence?: Fence): Promise<readonly SequencedEntry[]>
  /** Sequenced entries from `index` on, at most `limit`. */
  read(index: number, limit: number): Promise<readonly SequencedEntry[]>
  /** The number of sequenced entries, and of pending ones. */
  size(): Promise<{ readonly sequenced: number; readonly pending: number }>
}
