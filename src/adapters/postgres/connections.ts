// Sessions with the settings that the store relies on; statements and transactions with a time limit.

import { createHash } from 'node:crypto'
import type { Row } from '../../ca/internal.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { PostgresClient, PostgresPool } from './pg-pool.ts'
import { isOfConnection, isRetryable, storeError } from './store-errors.ts'

/** A statement; one with a name is parsed once for each connection. */
export interface Statement {
  readonly name?: string
  readonly text: string
}

/** A statement that is prepared under a name derived from its text. */
export function prepared(text: string): Statement {
  return { name: `spki_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text }
}

/** Runs one statement inside a transaction. */
export type Run = (statement: Statement, ...values: readonly unknown[]) => Promise<readonly Row[]>

/** The settings of connections. */
export interface ConnectionsOptions {
  readonly pool: PostgresPool
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly clock: Clock
}

/** Sessions and transactions of one store. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #ready = new WeakSet<PostgresClient>()
  /** Connections whose server has sent a warning since the last statement. */
  readonly #warned = new WeakSet<PostgresClient>()
  readonly #ignore = (): void => undefined
  readonly #guard = (client: PostgresClient): void => void client.on('error', this.#ignore)

  constructor(options: ConnectionsOptions) {
    this.#options = options
    // An idle connection that ends is replaced; its error event would end the process without a listener. The
    // same holds for a new connection that the server closes at once: its error comes before `connect()`
    // settles.
    options.pool.on('error', this.#ignore)
    options.pool.on('connect', this.#guard)
  }

  /** Removes the listeners of this store from the pool. */
  detach(): void {
    this.#options.pool.off('error', this.#ignore)
    this.#options.pool.off('connect', this.#guard)
  }

  /** Runs one statement as its own transaction. @throws ERR_STORE_UNAVAILABLE; errors of the server */
  async query(statement: Statement, ...values: readonly unknown[]): Promise<readonly Row[]> {
    return this.#attempts(() =>
      this.#withClient(async (client) => {
        const { rows } = await this.#send(client, statement, values)
        this.#requireDurable(client)
        return rows
      }, true),
    )
  }

  /**
   * Runs a transaction, which the statement `start` begins. `perform` may be called again after a deadlock.
   * @throws ERR_STORE_UNAVAILABLE; what `perform` throws; errors of the server
   */
  async transaction<Answer>(
    perform: (run: Run) => Promise<Answer>,
    start: Statement = begin,
  ): Promise<Answer> {
    return this.#attempts(() => this.#once(perform, start))
  }

  async #once<Answer>(perform: (run: Run) => Promise<Answer>, start: Statement): Promise<Answer> {
    return this.#withClient(async (client, committing) => {
      let answer: Answer
      try {
        await this.#send(client, start)
        answer = await perform(async (statement, ...values) => {
          return (await this.#send(client, statement, values)).rows
        })
      } catch (error) {
        if (!isOfConnection(error)) await this.#send(client, rollback)
        throw error
      }
      committing()
      const { command } = await this.#send(client, commit)
      this.#requireDurable(client)
      if (command === 'COMMIT') return answer
      throw new PkiError('ERR_STORE_UNAVAILABLE', `PostgreSQL answered COMMIT with ${command}`)
    }, false)
  }

  /**
   * If the wait for a synchronous standby is cancelled, for example by a time limit, the server sends a
   * warning and an ordinary answer: the commit is only on this server.
   */
  #requireDurable(client: PostgresClient): void {
    if (!this.#warned.has(client)) return
    throw new Error('the server gave a warning at COMMIT: the commit may be missing on the standby')
  }

  async #attempts<Answer>(perform: () => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await perform()
      } catch (error) {
        if (!isRetryable(error) || attempt >= maxAttempts) throw error
      }
    }
  }

  /** @throws errors of the server as they are; ERR_STORE_UNAVAILABLE for those of the connection */
  async #withClient<Answer>(
    perform: (client: PostgresClient, committing: () => void) => Promise<Answer>,
    commitsAtOnce: boolean,
  ): Promise<Answer> {
    let isCommitting = commitsAtOnce
    const client = await this.#connect()
    try {
      const answer = await perform(client, () => (isCommitting = true))
      client.release()
      return answer
    } catch (error) {
      const isLost = isOfConnection(error) || isPkiError(error, 'ERR_STORE_UNAVAILABLE')
      client.release(isLost)
      throw isLost ? storeError(error, isCommitting) : error
    }
  }

  async #connect(): Promise<PostgresClient> {
    const { pool, statementTimeoutMs } = this.#options
    let isLate = false
    const connecting = pool.connect()
    connecting.then(
      (late) => {
        if (isLate) late.release()
      },
      () => undefined,
    )
    let client: PostgresClient
    try {
      client = await this.#within(
        statementTimeoutMs,
        connecting,
        'no connection was free, and none could be opened',
      )
    } catch (error) {
      isLate = true
      throw storeError(error)
    }
    if (this.#ready.has(client)) return client
    try {
      await this.#prepare(client)
      return client
    } catch (error) {
      client.release(true)
      throw storeError(error)
    }
  }

  /** @throws ERR_STORE_UNAVAILABLE for a server that answers before a commit is durable, or a standby */
  async #prepare(client: PostgresClient): Promise<void> {
    // Called also for a connection that the pool opened before the store used it.
    client.on('error', this.#ignore)
    client.on('notice', ({ code }) => {
      if (code === warning) this.#warned.add(client)
    })
    const { lockTimeoutMs, statementTimeoutMs } = this.#options
    const settings = { ...sessionSettings, ...timeouts(lockTimeoutMs, statementTimeoutMs) }
    const calls = Object.keys(settings).map((_, at) => `set_config($${at * 2 + 1}, $${at * 2 + 2}, false)`)
    const text = `SELECT ${calls.join(', ')}`
    await this.#send(client, { text }, Object.entries(settings).flat())
    const [row] = (await this.#send(client, durability)).rows
    if (row?.['synchronous_commit'] === 'off')
      throw new PkiError(
        'ERR_STORE_UNAVAILABLE',
        `PostgreSQL: synchronous_commit is off for role ${String(row['role'])} in database ` +
          `${String(row['database'])}; expected on: otherwise a crash can lose writes that were acknowledged`,
      )
    if (row?.['is_standby'] !== 'f' && row?.['is_standby'] !== false)
      throw new PkiError('ERR_STORE_UNAVAILABLE', 'PostgreSQL: the server is a standby, which cannot write')
    this.#ready.add(client)
  }

  #send(
    client: PostgresClient,
    { name, text }: Statement,
    values: readonly unknown[] = [],
  ): ReturnType<PostgresClient['query']> {
    this.#warned.delete(client)
    const config = { text, values: [...values], types, ...(name === undefined ? {} : { name }) }
    // The server ends statements that take too long; this timer is for a server that is no longer reachable.
    const limitMs = this.#options.statementTimeoutMs + graceMs
    return this.#within(limitMs, client.query(config), 'the server did not answer in time')
  }

  #within<Value>(limitMs: number, promise: Promise<Value>, text: string): Promise<Value> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.schedule(
        () => {
          promise.catch(() => undefined)
          reject(new Error(text))
        },
        limitMs,
        { keepAlive: true },
      )
      promise.finally(cancel).then(resolve, reject)
    })
  }
}

/**
 * Every statement can use an index. A plan that was cached while the table was small must not read the whole
 * table when it has grown.
 */
const sessionSettings = {
  default_transaction_isolation: 'read committed',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  bytea_output: 'hex',
} as const

/** A process that is stopped in the middle of a transaction must not keep its locks: idle ones are ended. */
function timeouts(lockTimeoutMs: number, statementTimeoutMs: number): Readonly<Record<string, string>> {
  return {
    statement_timeout: String(statementTimeoutMs),
    lock_timeout: String(lockTimeoutMs),
    idle_in_transaction_session_timeout: String(Math.max(lockTimeoutMs, minIdleMs)),
  }
}

const durability: Statement = {
  text:
    `SELECT current_setting('synchronous_commit') AS synchronous_commit, current_user AS role, ` +
    'current_database() AS database, pg_is_in_recovery() AS is_standby',
}
/** Begins a transaction. The text of a statement may contain further statements after it. */
export const begin: Statement = { text: 'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE' }
const commit: Statement = { text: 'COMMIT' }
const rollback: Statement = { text: 'ROLLBACK' }

/**
 * Type parsers of this store only: parsers that the process registered with `pg` do not change the values
 * that it reads.
 */
const types = {
  getTypeParser: (oid: number): ((value: string) => unknown) => (oid === byteaOid ? octetsOf : asText),
}
const octetsOf = (value: string): Uint8Array => Buffer.from(value.slice(2), 'hex')
const asText = (value: string): string => value
const byteaOid = 17
/** The SQLSTATE of warnings without a specific code. */
const warning = '01000'
const maxAttempts = 5
const graceMs = 5000
/** The minimum idle time: a busy event loop must not be mistaken for a suspended process. */
const minIdleMs = 3000
