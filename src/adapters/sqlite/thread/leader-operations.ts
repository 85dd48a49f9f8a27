// The writes of CRLs, authorities, leases and audit entries, inside a transaction, fenced by the epoch of a
// lease if one is given.

import {
  authorityColumns,
  crlColumns,
  crlNumberOfRow,
  otherList,
  otherVersion,
  staleFence,
} from '../../../ca/internal.ts'
import { blockSql } from './block-operations.ts'
import type { Database } from './database.ts'
import type { Audit, StoreOperations, WriteFence } from '../messages.ts'

type LeaderOperations = Omit<
  StoreOperations,
  | 'intent'
  | 'outcome'
  | 'find'
  | 'status'
  | 'revoke'
  | 'release'
  | 'search'
  | 'prune'
  | 'block'
  | 'unblock'
  | 'blocks'
  | 'addOneTime'
  | 'takeOneTime'
  | 'latestTime'
>

export function leaderOperations(
  database: Database,
  audit: (entries: Audit) => void,
  clockMs: () => number,
): LeaderOperations {
  const epochOf = (name: string): number | undefined =>
    database.value('SELECT epoch FROM leases WHERE name = ?', name) as number | undefined

  const requireFence = (fence: WriteFence): void => {
    if (fence === null) return
    const epoch = epochOf(fence.name)
    if (epoch !== fence.epoch) throw staleFence(fence, epoch)
  }

  const sequenced = (): number =>
    database.value(`SELECT value FROM counters WHERE name = 'audit_sequenced'`) as number

  return {
    lastCrl: (issuer, shard) =>
      database.get(`${crlsSql} WHERE issuer = ? AND shard = ?`, issuer, shard) ?? null,
    crls: () => database.all(`${crlsSql} ORDER BY issuer, shard`),
    publishCrl(values, expected, fence, entries) {
      requireFence(fence)
      const [issuer, shard, number] = values as readonly [string, string, string]
      const row = database.get('SELECT number FROM crls WHERE issuer = ? AND shard = ?', issuer, shard)
      const last = row === undefined ? undefined : crlNumberOfRow(row)
      const [given, seen] = [BigInt(number), expected === null ? undefined : BigInt(expected)]
      if (last !== seen || (last !== undefined && given <= last)) throw otherList(given, seen, last)
      audit(entries)
      database.run(publishSql, ...values)
      return null
    },
    authorities: () =>
      database.all(`SELECT ${authorityColumns.join(', ')} FROM authorities ORDER BY position`),
    updateAuthorities(rows, blocks, fence, entries) {
      requireFence(fence)
      for (const row of rows) {
        const [id, version] = [row[0] as string, row[versionAt] as number]
        const stored =
          (database.value('SELECT version FROM authorities WHERE id = ?', id) as number | undefined) ?? 0
        if (version !== stored + 1) throw otherVersion(id, version, stored)
      }
      audit(entries)
      for (const row of rows) database.run(updateSql, ...row)
      for (const block of blocks) database.run(blockSql, ...block)
      return null
    },
    acquire(name, holder, ttlMs) {
      const nowMs = clockMs()
      const held = database.get('SELECT holder, epoch, expires_at_ms FROM leases WHERE name = ?', name)
      const isLive = held !== undefined && (held['expires_at_ms'] as number) > nowMs
      if (isLive && held['holder'] !== holder) return null
      const epoch = isLive ? (held['epoch'] as number) : ((held?.['epoch'] as number | undefined) ?? 0) + 1
      database.run(leaseSql, name, holder, epoch, nowMs + ttlMs)
      return { epoch, endMs: nowMs + ttlMs }
    },
    releaseLease(name, epoch) {
      if (epochOf(name) === epoch) database.run(leaseSql, name, '', epoch + 1, 0)
      return null
    },
    append(entries) {
      audit(entries)
      return null
    },
    sequence(limit, fence) {
      requireFence(fence)
      const start = sequenced()
      const rows = database.all(auditSql, start, start + limit)
      if (rows.length > 0) database.run(sequencedSql, start + rows.length)
      return rows
    },
    readAudit: (index, limit) => database.all(auditSql, index, Math.min(index + limit, sequenced())),
    auditSize() {
      const done = sequenced()
      const all = database.value('SELECT coalesce(max(id), 0) FROM audit_entries') as number
      return { sequenced: done, pending: all - done }
    },
  }
}

/** Entries get their ids without gaps: the largest id plus one. Entries are never deleted. */
export function addAuditEntries(database: Database, entries: Audit): void {
  for (const entry of entries) database.run('INSERT INTO audit_entries (entry) VALUES (?)', entry)
}

const versionAt = authorityColumns.indexOf('version')
const placeholders = (columns: readonly string[]): string => columns.map(() => '?').join(', ')
const crlsSql = `SELECT ${crlColumns.join(', ')} FROM crls`
const publishSql =
  `INSERT OR REPLACE INTO crls (${crlColumns.join(', ')}) ` + `VALUES (${placeholders(crlColumns)})`
const updates = authorityColumns.map((column) => `${column} = excluded.${column}`).join(', ')
const updateSql =
  `INSERT INTO authorities (${authorityColumns.join(', ')}) VALUES (${placeholders(authorityColumns)}) ` +
  `ON CONFLICT (id) DO UPDATE SET ${updates}`
const leaseSql = 'INSERT OR REPLACE INTO leases (name, holder, epoch, expires_at_ms) VALUES (?, ?, ?, ?)'
const auditSql = 'SELECT id, entry FROM audit_entries WHERE id > ? AND id <= ? ORDER BY id'
const sequencedSql = `UPDATE counters SET value = ? WHERE name = 'audit_sequenced'`
