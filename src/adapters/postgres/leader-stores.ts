// CRLs and authorities: compare-and-set in one transaction, fenced by the epoch of a lease where one is
// given.

import {
  authorityColumns,
  authorityOfRow,
  authorityValues,
  blockValues,
  blocksOfRevoked,
  crlColumns,
  crlNumberOfRow,
  crlOfRow,
  crlValues,
  otherList,
  otherVersion,
  readFencedOptions,
  readPublishOptions,
} from '../../ca/internal.ts'
import type { ColumnValue, StoredCrl } from '../../ca/internal.ts'
import type { AuthorityStore, CrlStore } from '../../ca/index.ts'
import { addAudit } from './writes/audit-writes.ts'
import type { Connections, Run } from './connections.ts'
import { requireFence } from './leases.ts'
import { beginBlocking, insertBlock } from './writes/blocks.ts'
import { auditOf, copied } from './writes/own-octets.ts'
import type { StoreCalls } from './store-calls.ts'

export function crlStore(connections: Connections, calls: StoreCalls, S: string): CrlStore {
  const select = `SELECT ${crlColumns.join(', ')} FROM ${S}.crls`
  const byList = 'WHERE issuer = $1 AND shard = $2'
  const numberOf = async (run: Run, { issuer, shard }: StoredCrl): Promise<bigint | undefined> => {
    const [row] = await run({ text: `SELECT number FROM ${S}.crls ${byList} FOR UPDATE` }, issuer, shard)
    return row === undefined ? undefined : crlNumberOfRow(row)
  }
  return Object.freeze<CrlStore>({
    last: (issuer, shard) =>
      calls.read(async () => {
        const [row] = await connections.query({ text: `${select} ${byList}` }, issuer, shard)
        return row === undefined ? undefined : crlOfRow(row)
      }),
    async publish(crl, options) {
      const read = readPublishOptions(options)
      const { expectedNumber, fence } = read
      const [values, audit] = [crlValues(crl).map(copied), auditOf(read)]
      await calls.write(() =>
        connections.transaction(async (run) => {
          await requireFence(run, S, fence)
          const last = await numberOf(run, crl)
          if (last !== expectedNumber || (last !== undefined && crl.number <= last))
            throw otherList(crl.number, expectedNumber, last)
          // If two processes publish a first list, only one of them is inserted.
          const written = await run({ text: last === undefined ? insertCrl(S) : updateCrl(S) }, ...values)
          if (written.length === 0) throw otherList(crl.number, expectedNumber, await numberOf(run, crl))
          await addAudit(run, S, audit)
        }),
      )
    },
    list: () =>
      calls.read(async () =>
        (await connections.query({ text: `${select} ORDER BY issuer, shard` })).map(crlOfRow),
      ),
    latestTime: () =>
      calls.read(async () => {
        const [row] = await connections.query({
          text: `SELECT value FROM ${S}.counters WHERE name = 'clock_ms'`,
        })
        return new Date(Number(row?.['value']))
      }),
  })
}

export function authorityStore(connections: Connections, calls: StoreCalls, S: string): AuthorityStore {
  const select = `SELECT ${authorityColumns.join(', ')} FROM ${S}.authorities ORDER BY position`
  const requireVersion = async (run: Run, id: string, version: number): Promise<void> => {
    const text = `SELECT version FROM ${S}.authorities WHERE id = $1 FOR UPDATE`
    const [row] = await run({ text }, id)
    const stored = Number(row?.['version'] ?? 0)
    if (version !== stored + 1) throw otherVersion(id, version, stored)
  }
  const write = async (run: Run, values: readonly ColumnValue[]): Promise<void> => {
    const [id, version] = [values[0] as string, values[versionAt] as number]
    const written = await run({ text: version === 1 ? insertAuthority(S) : updateAuthority(S) }, ...values)
    // Another process has added it since.
    if (written.length === 0) throw otherVersion(id, version, 1)
  }
  return Object.freeze<AuthorityStore>({
    list: () => calls.read(async () => (await connections.query({ text: select })).map(authorityOfRow)),
    async update(records, options) {
      const read = readFencedOptions('update', options)
      const rows = records.map((record) => authorityValues(record).map(copied))
      const blocks = blocksOfRevoked(records).map(blockValues)
      const audit = auditOf(read)
      await calls.write(() =>
        connections.transaction(
          async (run) => {
            await requireFence(run, S, read.fence)
            for (const values of rows)
              await requireVersion(run, values[0] as string, values[versionAt] as number)
            for (const values of rows) await write(run, values)
            for (const values of blocks) await run(insertBlock(S), ...values)
            await addAudit(run, S, audit)
            // This transaction waits for issuance in progress; later issuance reads the block.
          },
          ...(blocks.length === 0 ? [] : [beginBlocking(S)]),
        ),
      )
    },
  })
}

const places = (columns: readonly string[]): string => columns.map((_, at) => `$${at + 1}`).join(', ')
const assignments = (columns: readonly string[]): string =>
  columns.map((column, at) => `${column} = $${at + 1}`).join(', ')
const insertCrl = (S: string): string =>
  `INSERT INTO ${S}.crls (${crlColumns.join(', ')}) VALUES (${places(crlColumns)}) ` +
  'ON CONFLICT DO NOTHING RETURNING number'
const updateCrl = (S: string): string =>
  `UPDATE ${S}.crls SET ${assignments(crlColumns)} WHERE issuer = $1 AND shard = $2 RETURNING number`
const insertAuthority = (S: string): string =>
  `INSERT INTO ${S}.authorities (${authorityColumns.join(', ')}) VALUES (${places(authorityColumns)}) ` +
  'ON CONFLICT DO NOTHING RETURNING id'
const updateAuthority = (S: string): string =>
  `UPDATE ${S}.authorities SET ${assignments(authorityColumns)} WHERE id = $1 RETURNING id`
const versionAt = authorityColumns.indexOf('version')
