// The block-list: its store, and the look-up for a batch of intents or outcomes.

import {
  blockColumns,
  blockOfRow,
  blockValues,
  blockedSubjectText,
  blocksFull,
  maxRenewalBlocks,
  renewalBlocked,
  readWriteOptions,
} from '../../../ca/internal.ts'
import type { RenewalBlockStore } from '../../../ca/internal.ts'
import type { PkiError } from '../../../errors/index.ts'
import { begin } from '../connections.ts'
import type { Connections, Run, Statement } from '../connections.ts'
import type { StoreCalls } from '../store-calls.ts'
import { addAudit } from './audit-writes.ts'
import { auditOf } from './own-octets.ts'

/**
 * Reads the blocks of these subjects. The result is a function that returns the refusal of a certificate with
 * a blocked subject.
 */
export async function lookUpBlocks(
  run: Run,
  S: string,
  subjects: readonly (readonly string[])[],
): Promise<(of: readonly string[]) => PkiError | undefined> {
  if (subjects.length === 0) return () => undefined
  const text = `SELECT subject, reason FROM ${S}.renewal_blocks WHERE subject = ANY ($1::text[])`
  const found = await run({ text }, [...new Set(subjects.flat())])
  const reasons = new Map(found.map(({ subject, reason }) => [subject, reason]))
  return (of) => {
    const subject = of.find((one) => reasons.has(one))
    return subject === undefined ? undefined : renewalBlocked(subject, String(reasons.get(subject)))
  }
}

/**
 * Begins a transaction that adds or removes blocks. It waits until every transaction that has read blocks has
 * ended.
 */
export function beginBlocking(S: string): Statement {
  return { text: `${begin.text}; LOCK TABLE ${S}.renewal_blocks IN SHARE ROW EXCLUSIVE MODE` }
}

/** Adds a block, or replaces that of the same subject: `blockValues`. */
export function insertBlock(S: string): Statement {
  return {
    text:
      `INSERT INTO ${S}.renewal_blocks (${blockColumns.join(', ')}) VALUES ($1, $2, $3) ` +
      'ON CONFLICT (subject) DO UPDATE SET reason = excluded.reason, since_ms = excluded.since_ms',
  }
}

export function blockStore(connections: Connections, calls: StoreCalls, S: string): RenewalBlockStore {
  const table = `${S}.renewal_blocks`
  const exclusive = beginBlocking(S)
  return Object.freeze<RenewalBlockStore>({
    async add(block, options) {
      const [values, audit] = [blockValues(block), auditOf(readWriteOptions('add', options))]
      const counts = `SELECT count(*) AS count, count(*) FILTER (WHERE subject = $1) AS same FROM ${table}`
      await calls.write(() =>
        connections.transaction(async (run) => {
          const [row] = await run({ text: counts }, values[0])
          if (Number(row?.['same']) === 0 && Number(row?.['count']) >= maxRenewalBlocks) throw blocksFull()
          await run(insertBlock(S), ...values)
          await addAudit(run, S, audit)
        }, exclusive),
      )
    },
    async remove(subject, options) {
      const audit = auditOf(readWriteOptions('remove', options))
      const remove = `DELETE FROM ${table} WHERE subject = $1 RETURNING subject`
      return calls.write(() =>
        connections.transaction(async (run) => {
          const removed = await run({ text: remove }, blockedSubjectText(subject))
          if (removed.length > 0) await addAudit(run, S, audit)
          return removed.length > 0
        }, exclusive),
      )
    },
    list: () =>
      calls.read(async () => {
        const text = `SELECT ${blockColumns.join(', ')} FROM ${table} ORDER BY subject`
        return Object.freeze((await connections.query({ text })).map(blockOfRow))
      }),
  })
}
