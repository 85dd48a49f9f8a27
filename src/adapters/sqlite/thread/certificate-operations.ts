// The writes of the certificate store, inside a transaction: each completes all its checks before it writes.

import {
  certificateUnknown,
  idempotencyKeyUsed,
  intentColumns,
  notOnHold,
  notRenewable,
  otherOutcome,
  recordColumns,
  replacesRevocation,
  serialExists,
  statusColumns,
} from '../../../ca/internal.ts'
import type { ColumnValue, Row } from '../../../ca/internal.ts'
import type { RevocationReason } from '../../../ca/index.ts'
import type { CertificateId } from '../../../ca/internal.ts'
import { resultCodeOf, resultCodes } from './database.ts'
import type { Database } from './database.ts'
import type { Audit, Key, StoreOperations } from '../messages.ts'

/** The possible subjects of a block. */
export interface BlockableIntent {
  readonly issuer: unknown
  readonly identity: unknown
  readonly keyIdentifier: unknown
  readonly renewsIssuer: unknown
  readonly renewsSerial: unknown
}

/** The operations of other stores in the same transaction. */
export interface Transaction {
  /** Adds audit entries. */
  readonly audit: (entries: Audit) => void
  /** @throws ERR_STORE_CLOCK */
  readonly requireClock: () => void
  /** @throws ERR_RENEWAL_BLOCKED, ERR_PREPARED_EXPIRED */
  readonly requireUnblocked: (intent: BlockableIntent) => void
}

type CertificateOperations = Pick<
  StoreOperations,
  'intent' | 'outcome' | 'find' | 'status' | 'revoke' | 'release' | 'search' | 'prune'
>

export function certificateOperations(
  database: Database,
  { audit, requireClock, requireUnblocked }: Transaction,
): CertificateOperations {
  const find = ([issuer, serialNumber]: Key): Row | undefined => database.get(findSql, serialNumber, issuer)

  const requireRenewable = (issuer: unknown, serialNumber: unknown): void => {
    if (issuer === null) return
    const key = [issuer as string, serialNumber as string] as const
    const renewed = database.get(revokedSql, key[1], key[0])
    if (renewed === undefined) throw notRenewable(idOf(key), 'not recorded')
    if (renewed['revocation_reason'] !== null) throw notRenewable(idOf(key), 'revoked')
  }

  const insert = (values: readonly ColumnValue[]): void => {
    try {
      database.run(insertSql, ...values)
    } catch (error) {
      if (resultCodeOf(error) !== resultCodes.constraint) throw error
      const key = [values[0] as string, values[1] as string] as const
      if (find(key) !== undefined) throw serialExists(idOf(key))
      throw values[idempotencyKeyAt] === null ? error : idempotencyKeyUsed()
    }
  }

  const setRevocation = (key: Key, row: Row, reason: string | null, atMs: number | null): Row => {
    const change = database.value(nextChangeSql) as number
    database.run(revokeSql, reason, atMs, change, row['sequence'] as number)
    return find(key) as Row
  }

  return {
    intent(values, entries) {
      requireClock()
      const [renewsIssuer, renewsSerial] = [values[renewsIssuerAt], values[renewsSerialAt]]
      requireRenewable(renewsIssuer, renewsSerial)
      const [identity, keyIdentifier] = [values[identityAt], values[keyIdentifierAt]]
      requireUnblocked({ issuer: values[0], identity, keyIdentifier, renewsIssuer, renewsSerial })
      insert(values)
      audit(entries)
      return null
    },
    outcome(key, certificate, entries) {
      const [issuer, serialNumber] = key
      const row = database.get(outcomeSql, serialNumber, issuer)
      if (row === undefined) throw certificateUnknown(idOf(key))
      const state = certificate === null ? 'failed' : 'issued'
      if (row['state'] === state && isSame(row['certificate'], certificate)) return null
      if (row['state'] !== 'intended') throw otherOutcome(idOf(key), String(row['state']), state)
      const sequence = row['sequence'] as number
      if (certificate === null) database.run(failSql, sequence)
      else {
        const [renewsIssuer, renewsSerial] = [row['renews_issuer'], row['renews_serial_number']]
        requireRenewable(renewsIssuer, renewsSerial)
        const [identity, keyIdentifier] = [row['identity'], row['key_identifier']]
        requireUnblocked({ issuer, identity, keyIdentifier, renewsIssuer, renewsSerial })
        database.run(issueSql, certificate, sequence)
      }
      audit(entries)
      return null
    },
    find: (key) => find(key) ?? null,
    status: ([issuer, serialNumber]) => database.get(statusSql, serialNumber, issuer) ?? null,
    revoke(key, reason, atMs, values, entries) {
      if (find(key) === undefined) {
        if (values === null) throw certificateUnknown(idOf(key))
        insert(values)
      }
      audit(entries)
      const row = find(key) as Row
      const before = row['revocation_reason'] as RevocationReason | null
      if (before === null) return setRevocation(key, row, reason, atMs)
      if (!replacesRevocation(before, reason as RevocationReason)) return row
      return setRevocation(key, row, reason, row['revoked_at_ms'] as number)
    },
    release(key, entries) {
      const row = find(key)
      if (row === undefined) throw certificateUnknown(idOf(key))
      if (row['revocation_reason'] !== 'certificateHold') throw notOnHold(idOf(key))
      audit(entries)
      return setRevocation(key, row, null, null)
    },
    search: (sql, values) => database.all(sql, ...values),
    prune(nowMs, lookBackMs) {
      // The last second of notAfter is inclusive.
      const expiredMs = nowMs - 1000
      const lapsed = database.run(lapseSql, expiredMs)
      if (lapsed === stepSize) return { lapsed, removed: 0 }
      const removed = database.run(removeSql, expiredMs - lookBackMs)
      if (lapsed + removed === 0) database.run(removeListsSql, expiredMs - lookBackMs)
      return { lapsed, removed }
    },
  }
}

/** The records of one step of `prune`. */
const stepSize = 1000

function idOf([issuer, serialNumber]: Key): CertificateId {
  return { issuer, serialNumber } as CertificateId
}

function isSame(stored: unknown, given: Uint8Array | null): boolean {
  return given === null
    ? stored === null
    : stored instanceof Uint8Array && Buffer.compare(stored, given) === 0
}

const at = (column: (typeof intentColumns)[number]): number => intentColumns.indexOf(column)
const renewsIssuerAt = at('renews_issuer')
const renewsSerialAt = at('renews_serial_number')
const idempotencyKeyAt = at('idempotency_key')
const identityAt = at('identity')
const keyIdentifierAt = at('key_identifier')

const byId = 'WHERE serial_number = ? AND issuer = ?'
const findSql = `SELECT ${recordColumns.join(', ')} FROM certificates ${byId}`
const statusSql = `SELECT ${statusColumns.join(', ')} FROM certificates ${byId}`
const revokedSql = `SELECT revocation_reason FROM certificates ${byId}`
const outcomeSql =
  'SELECT sequence, state, certificate, renews_issuer, renews_serial_number, identity, key_identifier ' +
  `FROM certificates ${byId}`
const insertSql =
  `INSERT INTO certificates (${intentColumns.join(', ')}) ` +
  `VALUES (${intentColumns.map(() => '?').join(', ')})`
const failSql = `UPDATE certificates SET state = 'failed', idempotency_key = NULL WHERE sequence = ?`
const issueSql = `UPDATE certificates SET state = 'issued', certificate = ?, tbs = NULL WHERE sequence = ?`
const nextChangeSql = `UPDATE counters SET value = value + 1 WHERE name = 'change' RETURNING value`
const revokeSql =
  'UPDATE certificates SET revocation_reason = ?, revoked_at_ms = ?, change = ? WHERE sequence = ?'
const lapseSql = `UPDATE certificates SET state = 'lapsed' WHERE sequence IN (SELECT sequence
  FROM certificates
  WHERE state = 'intended' AND state <> 'issued' AND not_after_ms <= ? LIMIT ${stepSize})`
const removeSql = `DELETE FROM certificates WHERE sequence IN (SELECT sequence FROM certificates
  WHERE not_after_ms <= ? ORDER BY not_after_ms LIMIT ${stepSize})`
// A cast of a larger number gives the largest INTEGER.
const removeListsSql = `DELETE FROM crls
  WHERE max(next_update_ms, CAST(number AS INTEGER)) <= ?
  AND NOT EXISTS (SELECT 1 FROM certificates WHERE certificates.issuer = crls.issuer)`
