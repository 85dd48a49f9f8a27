// One-time values by the server's clock: adding one, taking it, and removing those that expired, each in one
// statement.

import type { OneTimeStore } from '../../../auth/index.ts'
import {
  RowReader,
  oneTimeColumns,
  oneTimeKey,
  oneTimeValueOf,
  oneTimeValues,
  oneTimeValuesFull,
} from '../../../ca/internal.ts'
import type { Clock } from '../../../runtime/index.ts'
import { prepared } from '../connections.ts'
import type { Connections, Statement } from '../connections.ts'
import { serverTimeSql } from '../open-schema.ts'
import type { StoreCalls } from '../store-calls.ts'

interface OneTimeStoreOptions {
  readonly connections: Connections
  readonly calls: StoreCalls
  readonly clock: Clock
  /** The quoted name of the schema. */
  readonly S: string
  /** Maximum number of values that have not expired. */
  readonly maximum: number
}

export function oneTimeStore(options: OneTimeStoreOptions): OneTimeStore {
  const { connections, calls, S } = options
  const { add, take } = statementsOf(S)
  const room = new Room(options)
  return Object.freeze<OneTimeStore>({
    async add(key, value, expiresAt) {
      const values = oneTimeValues(key, value, expiresAt)
      const added = await calls.write(() => room.use(() => connections.query(add, ...values)))
      return added.length === 1
    },
    async take(key) {
      const [row] = await calls.write(() => connections.query(take, oneTimeKey(key)))
      if (row === undefined) return undefined
      return oneTimeValueOf(row, new RowReader('one_time_values', row).integer('now_ms'))
    },
  })
}

/**
 * Counts the values before an add that could exceed the maximum. Between two counts a process adds at most
 * 1/64 of the free space that it found, so that counts are rare and values of other processes are seen.
 */
class Room {
  readonly #options: OneTimeStoreOptions
  /** The number of adds until the next count. */
  #left = 0
  /** The number of adds in progress: a count may or may not include them. */
  #adding = 0
  #nextPruneMs = -Infinity
  #counting: Promise<void> | undefined

  constructor(options: OneTimeStoreOptions) {
    this.#options = options
  }

  /** @throws ERR_STORE_FULL; errors of the server */
  async use<Answer>(add: () => Promise<Answer>): Promise<Answer> {
    while (this.#left <= 0 || this.#options.clock.monotonic() >= this.#nextPruneMs) {
      this.#counting ??= this.#count().finally(() => {
        this.#counting = undefined
      })
      await this.#counting
    }
    this.#left--
    this.#adding++
    try {
      return await add()
    } finally {
      this.#adding--
    }
  }

  async #count(): Promise<void> {
    const { connections, clock, S, maximum } = this.#options
    const { prune, count } = statementsOf(S)
    await connections.query(prune)
    const adding = this.#adding
    const [row] = await connections.query(count)
    this.#nextPruneMs = clock.monotonic() + pruneIntervalMs
    const room = maximum - adding - Number(row?.['count'])
    this.#left = room > 0 ? Math.max(1, Math.floor(room / 64)) : 0
    if (room <= 0) throw oneTimeValuesFull(maximum)
  }
}

function statementsOf(S: string): Readonly<Record<'add' | 'take' | 'prune' | 'count', Statement>> {
  // As a subquery the time is evaluated once, so the index on the expiry is used.
  const now = `(SELECT ${serverTimeSql})`
  const table = `${S}.one_time_values`
  return {
    add: prepared(
      `INSERT INTO ${table} AS stored (${oneTimeColumns.join(', ')}) VALUES ($1, $2, $3) ` +
        'ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms ' +
        `WHERE stored.expires_at_ms <= ${serverTimeSql} RETURNING key`,
    ),
    take: prepared(
      `DELETE FROM ${table} WHERE key = $1 ` + `RETURNING value, expires_at_ms, ${serverTimeSql} AS now_ms`,
    ),
    // Rows that another process removes at the same time are skipped, without waiting.
    prune: prepared(
      `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} ` +
        `WHERE expires_at_ms <= ${now} ORDER BY expires_at_ms LIMIT 10000 FOR UPDATE SKIP LOCKED)`,
    ),
    count: prepared(`SELECT count(*) AS count FROM ${table} WHERE expires_at_ms > ${now}`),
  }
}

const pruneIntervalMs = 10_000
