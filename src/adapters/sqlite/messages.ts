// The messages between a store and its thread: many operations in one message, each answered after their
// common commit.

import type { ColumnValue, Row } from '../../ca/internal.ts'
import type { PkiErrorCode } from '../../errors/index.ts'

/** The start data of the thread. */
export interface StoreSetup {
  readonly path: string
  readonly owner: string
  readonly module: string | undefined
  readonly maxBytes: number | undefined
  readonly cacheBytes: number
  readonly acceptEarlierClock: boolean
  readonly nowMs: number
}

/** Octets that become durable with a write. */
export type Audit = readonly Uint8Array[]

/** The lease whose epoch fences a write. */
export type WriteFence = { readonly name: string; readonly epoch: number } | null

/** issuer, serial number. */
export type Key = readonly [string, string]

/** The operations of the thread, by name: arguments and result. */
export interface StoreOperations {
  intent: (values: readonly ColumnValue[], audit: Audit) => null
  outcome: (key: Key, certificate: Uint8Array | null, audit: Audit) => null
  find: (key: Key) => Row | null
  status: (key: Key) => Row | null
  /** `values`: the row to insert if there is none. */
  revoke: (key: Key, reason: string, atMs: number, values: readonly ColumnValue[] | null, audit: Audit) => Row
  release: (key: Key, audit: Audit) => Row
  search: (sql: string, values: readonly ColumnValue[]) => readonly Row[]
  block: (values: readonly ColumnValue[], audit: Audit) => null
  unblock: (subject: string, audit: Audit) => boolean
  blocks: () => readonly Row[]
  /** False if the key has a value that has not expired. */
  addOneTime: (values: readonly ColumnValue[], maximum: number) => boolean
  takeOneTime: (key: string) => string | null
  /** Prunes at most 1,000 records. */
  prune: (nowMs: number, lookBackMs: number) => { readonly lapsed: number; readonly removed: number }
  lastCrl: (issuer: string, shard: string) => Row | null
  crls: () => readonly Row[]
  /** The latest time on record, in milliseconds. */
  latestTime: () => number
  publishCrl: (
    values: readonly ColumnValue[],
    expected: string | null,
    fence: WriteFence,
    audit: Audit,
  ) => null
  authorities: () => readonly Row[]
  updateAuthorities: (
    rows: readonly (readonly ColumnValue[])[],
    blocks: readonly (readonly ColumnValue[])[],
    fence: WriteFence,
    audit: Audit,
  ) => null
  acquire: (
    name: string,
    holder: string,
    ttlMs: number,
  ) => { readonly epoch: number; readonly endMs: number } | null
  releaseLease: (name: string, epoch: number) => null
  append: (entries: Audit) => null
  sequence: (limit: number, fence: WriteFence) => readonly Row[]
  readAudit: (index: number, limit: number) => readonly Row[]
  auditSize: () => { readonly sequenced: number; readonly pending: number }
}

/** Operations in the order in which they were called. */
export interface StoreRequest {
  /** The time of the request, by the clock of the store. */
  readonly nowMs: number
  readonly operations: readonly (readonly [
    id: number,
    name: keyof StoreOperations,
    args: readonly unknown[],
  ])[]
}

/** Requests a snapshot of the file while operations continue. */
export interface CopyRequest {
  readonly id: number
  /** The path of the empty file for the copy. */
  readonly copyTo: string
}

/** A request to the thread; null: it must end when all work is done. */
export type StoreMessage = StoreRequest | CopyRequest | null

/** The reason why an operation failed. */
export interface StoreFailure {
  readonly code: PkiErrorCode
  readonly message: string
}

/** A message from the thread. */
export type StoreReply =
  | { readonly kind: 'open' }
  /** The store cannot be opened, or has failed permanently: the thread ends. */
  | { readonly kind: 'failed'; readonly failure: StoreFailure }
  | {
      readonly kind: 'answers'
      readonly answers: readonly (readonly [id: number, failure: StoreFailure | null, answer: unknown])[]
      /**
       * Why the group was not written; null if a write succeeded; undefined if there was nothing to write.
       */
      readonly unavailable: StoreFailure | null | undefined
    }
