// Audit entries: durable with the write that they describe, numbered later by the one process that sequences.

import { RowReader } from '../../../ca/internal.ts'
import type { Row, SequencedEntry } from '../../../ca/internal.ts'
import type { AuditStore } from '../../../ca/index.ts'
import { BatchValues, givenSql, octetsSql } from './batch-values.ts'
import type { Connections, Run } from '../connections.ts'
import { requireFence } from '../leases.ts'
import type { StoreCalls } from '../store-calls.ts'
import { WriteLane } from './write-lane.ts'

/** Adds entries in the transaction of the write that they describe. */
export async function addAudit(run: Run, S: string, entries: readonly Uint8Array[]): Promise<void> {
  if (entries.length === 0) return
  const rows = new BatchValues()
  entries.forEach((entry, position) => rows.add({ position, entry }))
  await run(
    {
      name: `spki_audit_${S}`,
      text:
        `INSERT INTO ${S}.audit_pending (entry) SELECT ${octetsSql('entry')} ` +
        `FROM ${givenSql('position bigint, entry_start int, entry_length int')} ORDER BY position`,
    },
    ...rows.parameters,
  )
}

/**
 * Entries of all transactions get their numbers in this statement, so that writers do not wait for one
 * another.
 */
export function auditStore(
  connections: Connections,
  calls: StoreCalls,
  S: string,
  maxBatch: number,
): AuditStore {
  const lane = new WriteLane<readonly Uint8Array[], undefined>({
    execute: async (batch) => {
      await connections.transaction((run) => addAudit(run, S, batch.flat()))
      return batch.map(() => ({ answer: undefined }))
    },
    keysOf: () => [],
    octetsOf: (entries) => entries.reduce((sum, { length }) => sum + length, 0),
    maxBatch,
  })
  const counter = `${S}.counters WHERE name = 'audit_sequenced'`
  return Object.freeze<AuditStore>({
    async append(entries) {
      const own = entries.map((entry) => new Uint8Array(entry))
      await calls.write(() => lane.add(own))
    },
    sequence: (limit, fence) =>
      calls.write(() =>
        connections.transaction(async (run) => {
          await requireFence(run, S, fence)
          const [row] = await run({ text: `SELECT value FROM ${counter} FOR UPDATE` })
          const start = numberOf(row)
          const rows = await run({ text: sequenceSql(S) }, start, limit)
          if (rows.length > 0)
            await run(
              { text: `UPDATE ${S}.counters SET value = $1 WHERE name = 'audit_sequenced'` },
              start + rows.length,
            )
          return rows.map(entryOf).sort((a, b) => a.index - b.index)
        }),
      ),
    read: (index, limit) =>
      calls.read(async () => {
        const text = `SELECT id, entry FROM ${S}.audit_entries WHERE id > $1 ORDER BY id LIMIT $2`
        return (await connections.query({ text }, index, limit)).map(entryOf)
      }),
    size: () =>
      calls.read(async () => {
        const text = `SELECT value, (SELECT count(*) FROM ${S}.audit_pending) AS pending FROM ${counter}`
        const [row] = await connections.query({ text })
        return {
          sequenced: numberOf(row),
          pending: new RowReader('audit_pending', row ?? {}).integer('pending'),
        }
      }),
  })
}

/** Moves the oldest pending entries to the end of the sequence. */
function sequenceSql(S: string): string {
  return (
    `WITH taken AS (DELETE FROM ${S}.audit_pending WHERE id = ANY (ARRAY(` +
    `SELECT id FROM ${S}.audit_pending ORDER BY id LIMIT $2)) RETURNING id, entry) ` +
    `INSERT INTO ${S}.audit_entries (id, entry) ` +
    'SELECT $1::bigint + row_number() OVER (ORDER BY id), entry FROM taken RETURNING id, entry'
  )
}

function numberOf(row: Row | undefined): number {
  return new RowReader('counters', row ?? {}).integer('value')
}

function entryOf(row: Row): SequencedEntry {
  const read = new RowReader('audit_entries', row)
  return { index: read.integer('id') - 1, entry: read.octets('entry') }
}
