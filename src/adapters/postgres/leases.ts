// Leases by the server's clock, and the fence of a leader's write: the epoch, compared in its transaction.

import { RowReader, requireLeaseTerms, staleFence } from '../../ca/internal.ts'
import type { LeaseStore } from '../../ca/index.ts'
import type { Fence } from '../../ca/internal.ts'
import type { Connections, Run } from './connections.ts'
import { serverTimeSql } from './open-schema.ts'
import type { StoreCalls } from './store-calls.ts'

/**
 * Compares the epoch and locks the lease until the end of the transaction: a takeover either waits for the
 * write, or is visible to it. @throws ERR_LEASE_STALE
 */
export async function requireFence(run: Run, S: string, fence: Fence | undefined): Promise<void> {
  if (fence === undefined) return
  const [row] = await run({ text: `SELECT epoch FROM ${S}.leases WHERE name = $1 FOR SHARE` }, fence.name)
  const epoch = row === undefined ? undefined : new RowReader('leases', row).integer('epoch')
  if (epoch !== fence.epoch) throw staleFence(fence, epoch)
}

export function leaseStore(connections: Connections, calls: StoreCalls, S: string): LeaseStore {
  // The server's clock is read after the wait for the row, so that the waiting time is not part of the lease.
  const acquire = {
    text:
      `INSERT INTO ${S}.leases AS held (name, holder, epoch, expires_at_ms) ` +
      `VALUES ($1, $2, 1, ${serverTimeSql} + $3::bigint) ` +
      'ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ' +
      `epoch = CASE WHEN held.holder = excluded.holder AND held.expires_at_ms > ${serverTimeSql} ` +
      `THEN held.epoch ELSE held.epoch + 1 END, expires_at_ms = ${serverTimeSql} + $3::bigint ` +
      `WHERE held.holder = excluded.holder OR held.expires_at_ms <= ${serverTimeSql} ` +
      'RETURNING epoch, expires_at_ms',
  }
  const release = {
    text:
      `UPDATE ${S}.leases SET holder = '', epoch = epoch + 1, expires_at_ms = 0 ` +
      'WHERE name = $1 AND epoch = $2',
  }
  return Object.freeze<LeaseStore>({
    async acquire(name, holder, ttlMs) {
      requireLeaseTerms(name, holder, ttlMs)
      const [row] = await calls.write(() => connections.query(acquire, name, holder, ttlMs))
      if (row === undefined) return undefined
      const read = new RowReader('leases', row)
      return Object.freeze({
        name,
        holder,
        epoch: read.integer('epoch'),
        expiresAt: read.time('expires_at_ms'),
      })
    },
    async release({ name, epoch }) {
      await calls.write(() => connections.query(release, name, epoch))
    },
    now: () =>
      calls.read(async () => {
        const [row] = await connections.query({ text: `SELECT ${serverTimeSql} AS now_ms` })
        return new RowReader('leases', row ?? {}).time('now_ms')
      }),
  })
}
