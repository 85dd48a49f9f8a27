// The certificate store on PostgreSQL: converts records to rows, and rows to records.

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
  recordColumns,
  recordOfRow,
  revocationsStatement,
  revokedRecordOfRow,
  searchStatement,
  statusColumns,
  statusOfRow,
  unrecordedValues,
} from '../../ca/internal.ts'
import type {
  CertificateQuery,
  ColumnValue,
  Dialect,
  IssuanceOutcome,
  Page,
  PruneOptions,
  PruneResult,
  RecordedStatus,
  Revocation,
  RevocationsQuery,
  RevokeOptions,
  RevokedRecord,
  Row,
  WriteOptions,
} from '../../ca/internal.ts'
import type { CertificateRecord, CertificateStore } from '../../ca/index.ts'
import type { CertificateId, IssuanceIntent } from '../../ca/internal.ts'
import { keyOf, idOf } from './writes/batch-values.ts'
import { prepared } from './connections.ts'
import type { Connections, Statement } from './connections.ts'
import { IssuanceWrites } from './writes/issuance-writes.ts'
import type { IntentWrite, OutcomeWrite } from './writes/issuance-writes.ts'
import type { StoreClock } from './store-clock.ts'
import { auditOf, copied } from './writes/own-octets.ts'
import { RevocationWrites, idempotencyKeyAt } from './writes/revocation-writes.ts'
import type { RevocationWrite } from './writes/revocation-writes.ts'
import type { StoreCalls } from './store-calls.ts'
import { WriteLane } from './writes/write-lane.ts'

/** The dependencies of the store. */
export interface CertificatesContext {
  readonly connections: Connections
  readonly calls: StoreCalls
  readonly clock: StoreClock
  /** The quoted name of the schema. */
  readonly S: string
  readonly maxBatch: number
}

export class PostgresCertificates implements CertificateStore {
  readonly #connections: Connections
  readonly #calls: StoreCalls
  readonly #clock: StoreClock
  readonly #intents: WriteLane<IntentWrite, undefined>
  readonly #outcomes: WriteLane<OutcomeWrite, undefined>
  readonly #revocations: WriteLane<RevocationWrite, CertificateRecord>
  readonly #find: Statement
  readonly #status: Statement
  readonly #S: string
  readonly #table: string
  readonly #dialect: Dialect

  constructor({ connections, calls, clock, S, maxBatch }: CertificatesContext) {
    this.#connections = connections
    this.#calls = calls
    this.#clock = clock
    this.#S = S
    this.#table = `${S}.certificates`
    this.#dialect = { table: this.#table, placeholder: (position) => `$${position}` }
    const byId = `FROM ${this.#table} WHERE serial_number = $1 AND issuer = $2`
    this.#find = prepared(`SELECT ${recordColumns.join(', ')} ${byId}`)
    this.#status = prepared(`SELECT ${statusColumns.join(', ')} ${byId}`)
    const issuance = new IssuanceWrites(connections, S)
    const revocations = new RevocationWrites(connections, issuance, S)
    this.#intents = new WriteLane({
      execute: (batch) => issuance.recordIntents(batch),
      keysOf: ({ values }) => keysOfValues(values),
      octetsOf: ({ values, audit }) => octetsIn(values) + octetsIn(audit),
      maxBatch,
    })
    this.#outcomes = new WriteLane({
      execute: (batch) => issuance.recordOutcomes(batch),
      keysOf: ({ id }) => [keyOf(id)],
      octetsOf: ({ certificate, audit }) => (certificate?.length ?? 0) + octetsIn(audit),
      maxBatch,
    })
    this.#revocations = new WriteLane({
      execute: (batch) => revocations.record(batch),
      keysOf: ({ id }) => [keyOf(id)],
      octetsOf: ({ unrecorded = [], audit }) => octetsIn(unrecorded) + octetsIn(audit),
      maxBatch,
    })
  }

  async recordIntent(intent: IssuanceIntent, options?: WriteOptions): Promise<void> {
    const audit = auditOf(readWriteOptions('recordIntent', options))
    const write = { values: intentValues(intent).map(copied), audit }
    await this.#calls.write(async () => {
      await this.#clock.require()
      await this.#intents.add(write)
    }, true)
  }

  async recordOutcome(
    { issuer, serialNumber }: CertificateId,
    outcome: IssuanceOutcome,
    options?: WriteOptions,
  ): Promise<void> {
    const certificate = 'certificate' in outcome ? new Uint8Array(outcome.certificate) : undefined
    const audit = auditOf(readWriteOptions('recordOutcome', options))
    const write = { id: { issuer, serialNumber }, certificate, audit }
    await this.#calls.write(() => this.#outcomes.add(write))
  }

  async find({ issuer, serialNumber }: CertificateId): Promise<CertificateRecord | undefined> {
    const [row] = await this.#read(this.#find, serialNumber, issuer)
    return row === undefined ? undefined : recordOfRow(row)
  }

  async statusOf({ issuer, serialNumber }: CertificateId): Promise<RecordedStatus | undefined> {
    const [row] = await this.#read(this.#status, serialNumber, issuer)
    return row === undefined ? undefined : statusOfRow(row)
  }

  async revoke(
    { issuer, serialNumber }: CertificateId,
    given: Revocation,
    options?: RevokeOptions,
  ): Promise<CertificateRecord> {
    const id = { issuer, serialNumber }
    const revocation = readRevocation(given)
    const read = readRevokeOptions(options)
    const unrecorded = read.unrecorded && unrecordedValues(id, read.unrecorded).map(copied)
    const write = { id, revocation, unrecorded, audit: auditOf(read) }
    return this.#calls.write(() => this.#revocations.add(write))
  }

  async release({ issuer, serialNumber }: CertificateId, options?: WriteOptions): Promise<CertificateRecord> {
    const id = { issuer, serialNumber }
    const audit = auditOf(readWriteOptions('release', options))
    const write = { id, revocation: undefined, unrecorded: undefined, audit }
    return this.#calls.write(() => this.#revocations.add(write))
  }

  async revocations(query: RevocationsQuery): Promise<Page<RevokedRecord>> {
    const read = readRevocationsQuery(query)
    const { sql, values } = revocationsStatement(read, this.#dialect)
    const rows = await this.#read({ text: sql }, ...values)
    const last = rows.at(-1)?.['change']
    const items = Object.freeze(rows.map(revokedRecordOfRow))
    return Object.freeze({
      items,
      next: cursorAfterChange(last === undefined ? read.position : Number(last)),
    })
  }

  async query(query: CertificateQuery): Promise<Page<CertificateRecord>> {
    const read = readCertificateQuery(query)
    const { sql, values } = searchStatement(read, this.#dialect)
    const rows = await this.#read({ text: sql }, ...values)
    const items = Object.freeze(rows.slice(0, read.limit).map(recordOfRow))
    return Object.freeze({ items, next: cursorAfterRows(read, rows) })
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    const { nowMs, lookBackMs } = readPruneOptions(options)
    const all = { lapsed: 0, removed: 0 }
    // The last second of notAfter belongs to the validity.
    const expiredMs = nowMs - 1000
    const step = async (text: string, beforeMs: number): Promise<number> =>
      (await this.#calls.write(() => this.#connections.query({ text }, beforeMs))).length
    for (let count = stepSize; count === stepSize; all.lapsed += count)
      count = await step(lapseSql(this.#table), expiredMs)
    // A column of whole milliseconds is compared with it.
    const beforeMs = Math.floor(expiredMs - lookBackMs)
    for (let count = stepSize; count === stepSize; all.removed += count)
      count = await step(removeSql(this.#table), beforeMs)
    await step(removeListsSql(this.#S), beforeMs)
    return all
  }

  #read(statement: Statement, ...values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#calls.read(() => this.#connections.query(statement, ...values))
  }
}

function keysOfValues(values: readonly ColumnValue[]): readonly string[] {
  const id = keyOf(idOf(values))
  const idempotencyKey = values[idempotencyKeyAt]
  return typeof idempotencyKey === 'string' ? [id, `key ${idempotencyKey}`] : [id]
}

function octetsIn(values: readonly (ColumnValue | Uint8Array)[]): number {
  let sum = 0
  for (const value of values) if (value instanceof Uint8Array) sum += value.length
  return sum
}

/** The number of records in each transaction, so that other transactions do not wait longer. */
const stepSize = 1000
// Records that another process is changing are left for the next call.
const lapseSql = (table: string): string =>
  `UPDATE ${table} SET state = 'lapsed' WHERE sequence = ANY (ARRAY(SELECT sequence FROM ${table} ` +
  `WHERE state = 'intended' AND state <> 'issued' AND not_after_ms <= $1 ORDER BY not_after_ms ` +
  `LIMIT ${stepSize} FOR UPDATE SKIP LOCKED)) RETURNING sequence`
const removeSql = (table: string): string =>
  `DELETE FROM ${table} WHERE sequence = ANY (ARRAY(SELECT sequence FROM ${table} ` +
  `WHERE not_after_ms <= $1 ORDER BY not_after_ms, sequence LIMIT ${stepSize} FOR UPDATE SKIP LOCKED)) ` +
  'RETURNING sequence'
const removeListsSql = (S: string): string =>
  `DELETE FROM ${S}.crls WHERE next_update_ms <= $1::bigint AND number::numeric <= $1::bigint ` +
  `AND NOT EXISTS (SELECT FROM ${S}.certificates WHERE certificates.issuer = crls.issuer)`
