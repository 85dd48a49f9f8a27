// Revocations and releases, a batch at a time: their changes are numbered in the order of their commits.

import {
  certificateUnknown,
  intentColumns,
  notOnHold,
  recordColumns,
  recordOfRow,
  replacesRevocation,
} from '../../../ca/internal.ts'
import type { ColumnValue, Row } from '../../../ca/internal.ts'
import type { CertificateRecord, RevocationReason } from '../../../ca/index.ts'
import type { CertificateId } from '../../../ca/internal.ts'
import { PkiError } from '../../../errors/index.ts'
import { addAudit } from './audit-writes.ts'
import { BatchValues, givenSql, idOfRow, jsonOf, keyOf } from './batch-values.ts'
import { prepared } from '../connections.ts'
import type { Connections, Run, Statement } from '../connections.ts'
import type { IssuanceWrites } from './issuance-writes.ts'
import type { Settled } from './write-lane.ts'

/** A revocation, or the release of a hold. */
export interface RevocationWrite {
  readonly id: CertificateId
  /** Undefined for the release of a hold. */
  readonly revocation: { readonly reason: RevocationReason; readonly atMs: number } | undefined
  /** The row to insert if the certificate has none. */
  readonly unrecorded: readonly ColumnValue[] | undefined
  readonly audit: readonly Uint8Array[]
}

/** The new revocation of a record; undefined if nothing changes, because an earlier revocation stays. */
type Change = { readonly reason: string | null; readonly atMs: number | null } | undefined

export class RevocationWrites {
  readonly #connections: Connections
  readonly #issuance: IssuanceWrites
  readonly #select: Statement
  readonly #number: Statement
  readonly #update: Statement
  readonly #S: string

  constructor(connections: Connections, issuance: IssuanceWrites, S: string) {
    this.#connections = connections
    this.#issuance = issuance
    this.#S = S
    const columns = recordColumns.map((column) => `c.${column}`).join(', ')
    this.#select = prepared(
      `SELECT ${columns} FROM ${givenSql('issuer text, serial_number text')} JOIN ${S}.certificates c ` +
        'ON c.serial_number = given.serial_number AND c.issuer = given.issuer ' +
        'ORDER BY c.serial_number, c.issuer FOR UPDATE OF c',
    )
    // The row stays locked until the commit, so a reader that has seen a change has seen all before it.
    this.#number = prepared(
      `UPDATE ${S}.counters SET value = value + $1 WHERE name = 'change' RETURNING value`,
    )
    this.#update = prepared(
      `UPDATE ${S}.certificates c SET revocation_reason = given.reason, revoked_at_ms = given.at_ms, ` +
        'change = given.change ' +
        `FROM ${givenSql('sequence bigint, reason text, at_ms bigint, change bigint')} ` +
        `WHERE c.sequence = given.sequence RETURNING ${columns}`,
    )
  }

  /** @throws errors of the server and its connection; refusals are results */
  record(batch: readonly RevocationWrite[]): Promise<readonly Settled<CertificateRecord>[]> {
    return this.#connections.transaction(async (run) => {
      const rows = await this.#rowsOf(run, batch)
      const changes = new Map<string, NonNullable<Change>>()
      const refusals = batch.map((write) => {
        const key = keyOf(write.id)
        const row = rows.get(key)
        if (row === undefined) return certificateUnknown(write.id)
        const change = changeOf(write, row)
        if (change instanceof PkiError) return change
        if (change !== undefined) changes.set(key, change)
        return undefined
      })
      await this.#change(run, rows, changes)
      await addAudit(
        run,
        this.#S,
        batch.flatMap(({ audit }, at) => (refusals[at] === undefined ? audit : [])),
      )
      return batch.map(({ id }, at) => {
        const refusal = refusals[at]
        return refusal === undefined ? { answer: recordOfRow(rows.get(keyOf(id)) ?? {}) } : { refusal }
      })
    })
  }

  /**
   * Locks and returns the rows of the certificates; a missing row is inserted if the write has the data for
   * it.
   */
  async #rowsOf(run: Run, batch: readonly RevocationWrite[]): Promise<Map<string, Row>> {
    const rows = new Map<string, Row>()
    const read = async (writes: readonly RevocationWrite[]): Promise<void> => {
      for (const row of await run(this.#select, jsonOf(writes.map(({ id }) => id))))
        rows.set(keyOf(idOfRow(row)), row)
    }
    await read(batch)
    const absent = batch.filter(({ id, unrecorded }) => unrecorded !== undefined && !rows.has(keyOf(id)))
    if (absent.length === 0) return rows
    await this.#issuance.insertUnrecorded(
      run,
      absent.map(({ unrecorded = [] }) => unrecorded),
    )
    await read(absent)
    return rows
  }

  async #change(
    run: Run,
    rows: Map<string, Row>,
    changes: ReadonlyMap<string, NonNullable<Change>>,
  ): Promise<void> {
    if (changes.size === 0) return
    const [last] = await run(this.#number, changes.size)
    let change = Number(last?.['value']) - changes.size
    const given = new BatchValues()
    for (const [key, { reason, atMs }] of changes)
      given.add({ sequence: String(rows.get(key)?.['sequence']), reason, at_ms: atMs, change: ++change })
    for (const row of await run(this.#update, given.parameters[0])) rows.set(keyOf(idOfRow(row)), row)
  }
}

function changeOf({ id, revocation }: RevocationWrite, row: Row): Change | PkiError {
  const before = row['revocation_reason'] as RevocationReason | null
  if (revocation === undefined)
    return before === 'certificateHold' ? { reason: null, atMs: null } : notOnHold(id)
  const { reason, atMs } = revocation
  if (before === null) return { reason, atMs }
  return replacesRevocation(before, reason) ? { reason, atMs: Number(row['revoked_at_ms']) } : undefined
}

/** The index of a column in the values of an unrecorded certificate. */
export const idempotencyKeyAt: number = intentColumns.indexOf('idempotency_key')
