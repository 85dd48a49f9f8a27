// The database file in the thread: the available SQLite module, prepared statements cached by their text,
// errors by result code.

import { createRequire } from 'node:module'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import type { ColumnValue, Row } from '../../../ca/internal.ts'

/** The used part of `node:sqlite`; `@photostructure/sqlite` has the same API. */
interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  close(): void
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string) => SqliteDatabase
  /** From Node 22.16 on. */
  readonly backup?: Backup | undefined
}

interface SqliteStatement {
  run(...values: readonly ColumnValue[]): { readonly changes: number | bigint }
  get(...values: readonly ColumnValue[]): Row | undefined
  all(...values: readonly ColumnValue[]): readonly Row[]
}

/** Copies an open file in steps, between which it can be written. */
type Backup = (database: SqliteDatabase, path: string, options: { readonly rate: number }) => Promise<number>

/** One open file. Statements are prepared once. */
export class Database {
  readonly path: string
  readonly #database: SqliteDatabase
  readonly #backup: Backup | undefined
  readonly #statements = new Map<string, SqliteStatement>()
  /** The number of rows written since the file was opened. */
  changes = 0

  /** @throws ERR_PEER_NOT_INSTALLED, ERR_STORE_UNAVAILABLE */
  constructor(path: string, module: string | undefined) {
    this.path = path
    const { DatabaseSync, backup } = loadSqlite(module)
    this.#backup = backup
    try {
      this.#database = new DatabaseSync(path)
    } catch (cause) {
      throw storeError(cause, path)
    }
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  run(sql: string, ...values: readonly ColumnValue[]): number {
    const changes = Number(this.#statement(sql).run(...values).changes)
    this.changes += changes
    return changes
  }

  get(sql: string, ...values: readonly ColumnValue[]): Row | undefined {
    return this.#statement(sql).get(...values)
  }

  all(sql: string, ...values: readonly ColumnValue[]): readonly Row[] {
    return this.#statement(sql).all(...values)
  }

  /** One value of one row; undefined if there is no row. */
  value(sql: string, ...values: readonly ColumnValue[]): unknown {
    const row = this.get(sql, ...values)
    return row === undefined ? undefined : Object.values(row)[0]
  }

  /** Copies a committed snapshot into an empty file. @throws ERR_STORE_UNAVAILABLE, ERR_STORE_FAILED */
  async copyTo(path: string): Promise<void> {
    try {
      if (this.#backup === undefined) this.#database.prepare('VACUUM INTO ?').run(path)
      else await this.#backup(this.#database, path, { rate: pagesOfStep })
    } catch (cause) {
      const error = storeError(cause, path)
      // The error concerns the copy only: the next write checks the original file.
      throw new PkiError('ERR_STORE_UNAVAILABLE', error.message, { cause })
    }
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #statement(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      // The texts of queries are a closed set, apart from their limits.
      if (this.#statements.size >= maxStatements) this.#statements.clear()
      this.#statements.set(sql, (statement = this.#database.prepare(sql)))
    }
    return statement
  }
}

/**
 * `node:sqlite` from Node 22.13 on; on Node 20 a package with the same API. @throws ERR_PEER_NOT_INSTALLED
 */
function loadSqlite(module: string | undefined): SqliteModule {
  const builtIn = module === undefined ? process.getBuiltinModule('node:sqlite') : undefined
  try {
    const loaded: unknown = builtIn ?? createRequire(import.meta.url)(module ?? '@photostructure/sqlite')
    return loaded as SqliteModule
  } catch (cause) {
    throw new PkiError(
      'ERR_PEER_NOT_INSTALLED',
      `SQLite needs node:sqlite (Node 22.13 and later) or, on Node ${process.versions.node}, ` +
        `npm install ${module ?? '@photostructure/sqlite'}`,
      { cause },
    )
  }
}

/** The primary result code of SQLite; undefined for another error. */
export function resultCodeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | undefined)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

/** Converts an error of SQLite to an error of this package. https://www.sqlite.org/rescode.html */
export function storeError(error: unknown, path: string): PkiError {
  if (isPkiError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  const code = resultCodeOf(error)
  const found = code === undefined ? text : `${text} (SQLite result code ${code})`
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_OUT_OF_RANGE')
    return new PkiError('ERR_STORE_CORRUPT', `${path} has a number above 2^53: ${text}`, { cause: error })
  const kind = code === undefined || !recoverable.has(code) ? 'ERR_STORE_FAILED' : 'ERR_STORE_UNAVAILABLE'
  return new PkiError(kind, `${path}: ${found}`, { cause: error })
}

export const resultCodes = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const

/**
 * The group was not written, and the next may succeed: the disk may have space again, or be mounted for
 * writing again.
 */
const recoverable: ReadonlySet<number> = new Set([
  resultCodes.busy,
  resultCodes.locked,
  resultCodes.readOnly,
  resultCodes.full,
  resultCodes.cannotOpen,
])
const maxStatements = 500
/** Two MiB: a write waits for at most one step of a copy. */
const pagesOfStep = 512
