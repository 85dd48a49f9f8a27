// The storage of a CA in one schema of a PostgreSQL database, for one process or several.

import type { OneTimeStore } from '../../auth/index.ts'
import type { CaStorage } from '../../ca/index.ts'
import { readMaxOneTimeValues } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { auditStore } from './writes/audit-writes.ts'
import { Connections } from './connections.ts'
import { createPool, readConnection } from './pg-pool.ts'
import type { PostgresConnection, PostgresPool } from './pg-pool.ts'
import { authorityStore, crlStore } from './leader-stores.ts'
import { leaseStore } from './leases.ts'
import { openSchema, quote, requireSchemaName } from './open-schema.ts'
import { PostgresCertificates } from './postgres-certificates.ts'
import { StoreCalls } from './store-calls.ts'
import { StoreClock } from './store-clock.ts'
import { blockStore } from './writes/blocks.ts'
import { oneTimeStore } from './writes/one-time-values.ts'

/** Options of `createPostgresStorage`. @inline */
export interface PostgresStorageOptions {
  /**
   * The address of the server: `postgres://…`, or its parts. Default: the environment variables of libpq
   * (`PGHOST`, …). Use a Unix socket or TLS: without TLS, a password can be read on the network.
   */
  readonly connection?: string | PostgresConnection
  /**
   * A `pg.Pool` instead of a connection. The store changes the settings of its sessions, so no other code
   * should use it. The code that creates it must close it.
   */
  readonly pool?: PostgresPool
  /** The schema that has the tables; created if it does not exist. Default `spiffe_pki`. */
  readonly schema?: string
  /**
   * The CA that the store belongs to, such as its trust domain: written when the store is created, and
   * compared at each opening. Default ''.
   */
  readonly owner?: string
  /**
   * Opens the store although the clock is more than five minutes before the latest time on record. Default
   * false.
   */
  readonly acceptEarlierClock?: boolean
  /**
   * Maximum number of waiting calls. Above it intents are refused; above four times the maximum all other
   * calls are refused too. Default 10,000.
   */
  readonly maxQueued?: number | undefined
  /** Maximum number of writes in one transaction. Default 512. */
  readonly maxBatch?: number | undefined
  /** Maximum number of connections, if `pool` is absent. Default 8. */
  readonly maxConnections?: number | undefined
  /** The longest time of one statement, in milliseconds. Default 10,000. */
  readonly statementTimeoutMs?: number | undefined
  /**
   * The longest wait for a lock, in milliseconds. A process may pause inside a transaction for the same time,
   * and at least 3,000 ms, before the server ends its session, so that a suspended process does not block the
   * others. Default 3,000.
   */
  readonly lockTimeoutMs?: number | undefined
  /**
   * Maximum number of unused one-time values; more are refused until some expire. Each process counts from
   * time to time, so several together can store slightly more. Default 1,000,000.
   */
  readonly maxOneTimeValues?: number | undefined
  readonly clock?: Clock | undefined
}

/** Every store of a CA in one schema. @inline */
export interface PostgresStorage extends CaStorage {
  readonly blocks: NonNullable<CaStorage['blocks']>
  /**
   * Values for one use, such as join tokens and nonces: only one of all processes can take a value. They
   * expire by the server's clock.
   */
  readonly oneTimeValues: OneTimeStore
  /**
   * The error of the last write that failed: ERR_STORE_UNAVAILABLE, until a write succeeds. Undefined while
   * the store works.
   */
  readonly failure: PkiError | undefined
  /** The number of calls without a result. */
  readonly pending: number
}

/**
 * Opens the store of a CA, or creates it. Every write is committed with `synchronous_commit` before its call
 * resolves; concurrent writes share a transaction. Several processes may have it open: all of them issue.
 * Writes that only one process at a time may make carry the epoch of a lease.
 *
 * A connection that ends during a commit leaves the outcome unknown: the call fails with
 * ERR_STORE_UNAVAILABLE, and a retry with the same idempotency key finds the recorded certificate.
 *
 * @throws ERR_STORE_SCHEMA for a newer schema or another program's tables; ERR_STORE_OWNER; ERR_STORE_CLOCK;
 *   ERR_STORE_UNAVAILABLE, also if `synchronous_commit` is off; ERR_PEER_NOT_INSTALLED; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const connection = { host: '/run/postgresql', database: 'ca' }
 * await using postgres = await createPostgresStorage({ connection, owner: 'example.org' })
 * ```
 */
export async function createPostgresStorage(options: PostgresStorageOptions): Promise<PostgresStorage> {
  const read = readOptions('createPostgresStorage', options, {
    connection: 'guard',
    pool: 'guard',
    schema: 'guard',
    owner: 'guard',
    acceptEarlierClock: 'guard',
    maxQueued: 'optional',
    maxBatch: 'optional',
    maxConnections: 'optional',
    statementTimeoutMs: 'optional',
    lockTimeoutMs: 'optional',
    maxOneTimeValues: 'optional',
    clock: 'optional',
  })
  const { owner = '', clock = systemClock, acceptEarlierClock = false } = read
  if (typeof owner !== 'string')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createPostgresStorage: owner must be text, found ${nameOf(owner)}`,
    )
  if (read.pool !== undefined && read.connection !== undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createPostgresStorage: give pool or connection, not both')
  const connection = readConnection(read.connection)
  const schema = requireSchemaName(read.schema ?? 'spiffe_pki')
  const calls = new StoreCalls(requireCount('maxQueued', read.maxQueued ?? 10_000, 1))
  const maxBatch = requireCount('maxBatch', read.maxBatch ?? 512, 1, 10_000)
  const maxConnections = requireCount('maxConnections', read.maxConnections ?? 8, 1, 1000)
  const statementTimeoutMs = requireCount(
    'statementTimeoutMs',
    read.statementTimeoutMs ?? 10_000,
    1,
    maxTimeoutMs,
  )
  const lockTimeoutMs = requireCount('lockTimeoutMs', read.lockTimeoutMs ?? 3000, 1, maxTimeoutMs)
  const maxOneTimeValues = readMaxOneTimeValues(read.maxOneTimeValues)
  const pool = read.pool ?? (await createPool(connection, maxConnections, statementTimeoutMs))
  const connections = new Connections({ pool, statementTimeoutMs, lockTimeoutMs, clock })
  const close = async (): Promise<void> => {
    await calls.close()
    connections.detach()
    if (read.pool === undefined) await pool.end()
  }
  try {
    const setup = {
      ...{ schema, owner, nowMs: clock.now() },
      // Only `true` accepts one.
      acceptEarlierClock: (acceptEarlierClock as unknown) === true,
    }
    const latestMs = await calls.write(() => openSchema(connections, setup))
    const S = quote(schema)
    const storeClock = new StoreClock(connections, schema, clock, latestMs)
    let closed: Promise<void> | undefined
    return Object.freeze({
      certificates: new PostgresCertificates({ connections, calls, clock: storeClock, S, maxBatch }),
      authorities: authorityStore(connections, calls, S),
      crls: crlStore(connections, calls, S),
      leases: leaseStore(connections, calls, S),
      audit: auditStore(connections, calls, S, maxBatch),
      blocks: blockStore(connections, calls, S),
      oneTimeValues: oneTimeStore({ connections, calls, clock, S, maximum: maxOneTimeValues }),
      get failure() {
        return calls.failure
      },
      get pending() {
        return calls.pending
      },
      [Symbol.asyncDispose]: () => (closed ??= close()),
    })
  } catch (error) {
    await close()
    throw error
  }
}

const maxTimeoutMs = 3_600_000
