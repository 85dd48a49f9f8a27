// The block-list inside a transaction: its writes, and its look-up for each intent and outcome.

import {
  blockColumns,
  blockingSubjects,
  blocksFull,
  maxRenewalBlocks,
  renewalBlocked,
} from '../../../ca/internal.ts'
import type { KeyIdentifier } from '../../../ca/internal.ts'
import type { CertificateId } from '../../../ca/internal.ts'
import type { Audit, StoreOperations } from '../messages.ts'
import type { BlockableIntent } from './certificate-operations.ts'
import type { Database } from './database.ts'

type BlockOperations = Pick<StoreOperations, 'block' | 'unblock' | 'blocks'> & {
  readonly requireUnblocked: (intent: BlockableIntent) => void
}

export function blockOperations(database: Database, audit: (entries: Audit) => void): BlockOperations {
  const reasonOf = (subject: string): string | undefined =>
    database.value(reasonSql, subject) as string | undefined
  return {
    block(values, entries) {
      const isNew = reasonOf(values[0] as string) === undefined
      if (isNew && (database.value(countSql) as number) >= maxRenewalBlocks) throw blocksFull()
      audit(entries)
      database.run(blockSql, ...values)
      return null
    },
    unblock(subject, entries) {
      if (reasonOf(subject) === undefined) return false
      audit(entries)
      database.run('DELETE FROM renewal_blocks WHERE subject = ?', subject)
      return true
    },
    blocks: () => database.all(`SELECT ${blockColumns.join(', ')} FROM renewal_blocks ORDER BY subject`),
    requireUnblocked({ issuer, identity, keyIdentifier, renewsIssuer, renewsSerial }) {
      const renews =
        renewsIssuer === null
          ? undefined
          : ({ issuer: renewsIssuer, serialNumber: renewsSerial } as CertificateId)
      const intent = {
        issuer: issuer as KeyIdentifier,
        identity: identity as string,
        keyIdentifier: keyIdentifier as KeyIdentifier,
        renews,
      }
      const subjects = blockingSubjects(intent)
      const found = database.get(
        anyOfSql,
        ...Array.from({ length: maxSubjects }, (_, at) => subjects[at] ?? ''),
      )
      if (found !== undefined) throw renewalBlocked(found['subject'] as string, found['reason'] as string)
    },
  }
}

const reasonSql = 'SELECT reason FROM renewal_blocks WHERE subject = ?'
/** The most subjects that `blockingSubjects` gives. */
const maxSubjects = 4
const anyOfSql = 'SELECT subject, reason FROM renewal_blocks WHERE subject IN (?, ?, ?, ?)'
const countSql = 'SELECT count(*) FROM renewal_blocks'
/** Adds a block, or replaces that of the same subject. */
export const blockSql: string =
  `INSERT OR REPLACE INTO renewal_blocks (${blockColumns.join(', ')}) ` + 'VALUES (?, ?, ?)'
