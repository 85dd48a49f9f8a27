// The certificate store on SQLite: converts records to rows, and rows to records.

import {
  cursorAfterChange,
  cursorAfterRows,
  intentValues,
  readCertificateQuery,
  readPruneOptions,
  readRevocationsQuery,
  readRevocation,
  readRevokeOptions,
  readWriteOptions,
  recordOfRow,
  revocationsStatement,
  revokedRecordOfRow,
  searchStatement,
  statusOfRow,
  unrecordedValues,
} from '../../ca/internal.ts'
import type { ColumnValue, Dialect, Revocation } from '../../ca/internal.ts'
import type { CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId, IssuanceIntent } from '../../ca/internal.ts'
import type {
  CertificateQuery,
  IssuanceOutcome,
  Page,
  PruneOptions,
  PruneResult,
  RecordedStatus,
  RevocationsQuery,
  RevokedRecord,
  RevokeOptions,
  WriteOptions,
} from '../../ca/internal.ts'
import type { Key } from './messages.ts'
import type { StoreThread } from './store-thread.ts'

export class SqliteCertificates implements CertificateStore {
  readonly #thread: StoreThread

  constructor(thread: StoreThread) {
    this.#thread = thread
  }

  async recordIntent(intent: IssuanceIntent, options?: WriteOptions): Promise<void> {
    const audit = auditOf(readWriteOptions('recordIntent', options))
    await this.#thread.call('intent', intentValues(intent).map(copied), audit)
  }

  async recordOutcome(id: CertificateId, outcome: IssuanceOutcome, options?: WriteOptions): Promise<void> {
    const certificate = 'certificate' in outcome ? new Uint8Array(outcome.certificate) : null
    const audit = auditOf(readWriteOptions('recordOutcome', options))
    await this.#thread.call('outcome', keyOf(id), certificate, audit)
  }

  async find(id: CertificateId): Promise<CertificateRecord | undefined> {
    const row = await this.#thread.call('find', keyOf(id))
    return row === null ? undefined : recordOfRow(row)
  }

  async statusOf(id: CertificateId): Promise<RecordedStatus | undefined> {
    const row = await this.#thread.call('status', keyOf(id))
    return row === null ? undefined : statusOfRow(row)
  }

  async revoke(id: CertificateId, given: Revocation, options?: RevokeOptions): Promise<CertificateRecord> {
    const { reason, atMs } = readRevocation(given)
    const read = readRevokeOptions(options)
    const { unrecorded } = read
    const values = unrecorded === undefined ? null : unrecordedValues(id, unrecorded).map(copied)
    return recordOfRow(await this.#thread.call('revoke', keyOf(id), reason, atMs, values, auditOf(read)))
  }

  async release(id: CertificateId, options?: WriteOptions): Promise<CertificateRecord> {
    const audit = auditOf(readWriteOptions('release', options))
    return recordOfRow(await this.#thread.call('release', keyOf(id), audit))
  }

  async revocations(query: RevocationsQuery): Promise<Page<RevokedRecord>> {
    const read = readRevocationsQuery(query)
    const { sql, values } = revocationsStatement(read, sqliteDialect)
    const rows = await this.#thread.call('search', sql, values)
    const last = rows.at(-1)?.['change'] as number | undefined
    const items = Object.freeze(rows.map(revokedRecordOfRow))
    return Object.freeze({ items, next: cursorAfterChange(last ?? read.position) })
  }

  async query(query: CertificateQuery): Promise<Page<CertificateRecord>> {
    const read = readCertificateQuery(query)
    const { sql, values } = searchStatement(read, sqliteDialect)
    const rows = await this.#thread.call('search', sql, values)
    const items = Object.freeze(rows.slice(0, read.limit).map(recordOfRow))
    return Object.freeze({ items, next: cursorAfterRows(read, rows) })
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    const { nowMs, lookBackMs } = readPruneOptions(options)
    const all = { lapsed: 0, removed: 0 }
    for (;;) {
      // One transaction per step: other calls wait for at most one step.
      const step = await this.#thread.call('prune', nowMs, lookBackMs)
      all.lapsed += step.lapsed
      all.removed += step.removed
      if (step.lapsed === 0 && step.removed === 0) return all
    }
  }
}

/**
 * Octets that are kept after the call are copied, each into a separate buffer, because a message transfers
 * whole buffers.
 */
export function copied(value: ColumnValue): ColumnValue {
  return value instanceof Uint8Array ? new Uint8Array(value) : value
}

export function auditOf({ audit }: WriteOptions): readonly Uint8Array[] {
  return audit === undefined ? none : audit.map((entry) => new Uint8Array(entry))
}

function keyOf({ issuer, serialNumber }: CertificateId): Key {
  return [issuer, serialNumber]
}

/** SQLite plans without statistics. */
export const sqliteDialect: Dialect = {
  table: 'certificates',
  placeholder: () => '?',
  // https://www.sqlite.org/optoverview.html, 4: a unary "+" keeps a term from an index.
  unindexed: (column) => `+${column}`,
}
const none: readonly Uint8Array[] = []
