// Opens the file of a store: checks owner and version, locks it for one writer, and migrates its schema to
// the current version.

import { accessSync, closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { requireClock } from '../../../ca/internal.ts'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { systemReason } from '../../../internal/files/system-error.ts'
import { Database, resultCodeOf, resultCodes, storeError } from './database.ts'
import type { StoreSetup } from '../messages.ts'
import { applicationId, migrations as allMigrations } from './schema.ts'

/**
 * Opens or creates a store.
 *
 * @throws ERR_STORE_LOCKED, ERR_STORE_SCHEMA, ERR_STORE_OWNER, ERR_STORE_CLOCK, ERR_STORE_UNAVAILABLE,
 * ERR_PEER_NOT_INSTALLED
 */
export function openStore(setup: StoreSetup, migrations: readonly string[] = allMigrations): Database {
  createFile(setup.path)
  const database = openDatabase(setup)
  try {
    lock(database)
    const version = checkHeader(database, migrations.length)
    if (version > 0) checkOwner(database, setup.owner)
    configure(database, setup)
    migrate(database, version, setup, migrations)
    checkClock(database, setup)
    writeFileSync(ownerFile(setup.path), ownerText(setup), { mode: 0o600 })
    return database
  } catch (error) {
    database.close()
    if (isPkiError(error)) throw error
    throw openingError(error, setup.path)
  }
}

function openDatabase({ path, module }: StoreSetup): Database {
  try {
    return new Database(path, module)
  } catch (error) {
    if (!isPkiError(error, 'ERR_STORE_UNAVAILABLE')) throw error
    throw new PkiError(error.code, `${error.message}${whyNotWritable(path)}`, { cause: error.cause })
  }
}

/** With the last connection, the log is moved into the database, and the lock is released. */
export function closeStore(database: Database): void {
  rmSync(ownerFile(database.path), { force: true })
  database.close()
}

/**
 * SQLite would create a file that every user can read. An existing file is not opened here: when a process
 * closes any descriptor of a file, it loses its locks on the file (POSIX fcntl), including those of an open
 * store.
 */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return
    throw new PkiError('ERR_STORE_UNAVAILABLE', `${path} cannot be created: ${systemReason(cause)}`, {
      cause,
    })
  }
}

/**
 * The lock is an operating system lock on the file itself. It is taken with the first access and held until
 * the file is closed or the process ends. So a crash leaves nothing behind, and another name of the file does
 * not open a second store.
 */
function lock(database: Database): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE')
  database.exec('PRAGMA busy_timeout = 0')
  database.exec('BEGIN EXCLUSIVE; COMMIT')
}

/** The version of the schema, 0 for an empty file. @throws ERR_STORE_SCHEMA */
function checkHeader(database: Database, known: number): number {
  const id = Number(database.value('PRAGMA application_id'))
  const version = Number(database.value('PRAGMA user_version'))
  const isEmpty =
    id === 0 && version === 0 && database.value('SELECT name FROM sqlite_schema LIMIT 1') === undefined
  if (isEmpty) return 0
  if (id !== applicationId || version < 1)
    throw new PkiError(
      'ERR_STORE_SCHEMA',
      `${database.path} is a database of another program: application_id ${id}; expected ${applicationId}`,
    )
  if (version > known)
    throw new PkiError(
      'ERR_STORE_SCHEMA',
      `${database.path} has schema ${version}, made by a newer version of this package; ` +
        `expected at most ${known}`,
    )
  return version
}

/** @throws ERR_STORE_OWNER */
function checkOwner(database: Database, owner: string): void {
  const found = database.value(`SELECT value FROM settings WHERE name = 'owner'`)
  if (found !== owner)
    throw new PkiError(
      'ERR_STORE_OWNER',
      `${database.path} belongs to ${JSON.stringify(found)}; expected ${JSON.stringify(owner)}`,
    )
}

function configure(database: Database, { maxBytes, cacheBytes }: StoreSetup): void {
  const mode = database.value('PRAGMA journal_mode = WAL')
  if (mode !== 'wal')
    throw new PkiError(
      'ERR_STORE_UNAVAILABLE',
      `${database.path}: the journal mode is ${String(mode)}; expected wal`,
    )
  // FULL: every commit is on the disk before the operation is answered. fullfsync: on macOS, also flushes the
  // cache of the disk.
  for (const setting of [
    'synchronous = FULL',
    'fullfsync = 1',
    'checkpoint_fullfsync = 1',
    'trusted_schema = OFF',
  ])
    database.exec(`PRAGMA ${setting}`)
  database.exec('PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY')
  database.exec(`PRAGMA cache_size = -${Math.ceil(cacheBytes / 1024)}`)
  if (maxBytes === undefined) return
  const pageSize = Number(database.value('PRAGMA page_size'))
  database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageSize))}`)
}

/** Runs all steps to the current schema, or none. */
function migrate(
  database: Database,
  version: number,
  { owner }: StoreSetup,
  migrations: readonly string[],
): void {
  if (version === migrations.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const step of migrations.slice(version)) database.exec(step)
    if (version === 0) {
      database.exec(`PRAGMA application_id = ${applicationId}`)
      database.run(`INSERT INTO settings VALUES ('owner', ?)`, owner)
    }
    database.exec(`PRAGMA user_version = ${migrations.length}`)
    database.exec('COMMIT')
  } catch (error) {
    try {
      database.exec('ROLLBACK')
    } catch {
      // On a full disk SQLite has ended the transaction itself. The first error has the reason.
    }
    throw error
  }
}

/**
 * Leases that were acquired by a later clock would last until that time, and no process holds one while the
 * file is being opened. @throws ERR_STORE_CLOCK
 */
function checkClock(database: Database, { nowMs, acceptEarlierClock }: StoreSetup): void {
  const latestMs = Number(database.value(`SELECT value FROM counters WHERE name = 'clock_ms'`))
  if (!acceptEarlierClock) requireClock(nowMs, latestMs)
  if (nowMs < latestMs) database.run('UPDATE leases SET expires_at_ms = 0')
  if (acceptEarlierClock || nowMs > latestMs)
    database.run(`UPDATE counters SET value = ? WHERE name = 'clock_ms'`, nowMs)
}

function openingError(error: unknown, path: string): PkiError {
  const code = resultCodeOf(error)
  if (code === resultCodes.busy || code === resultCodes.locked)
    return new PkiError('ERR_STORE_LOCKED', `${path} is open for writing in ${writerOf(path)}`, {
      cause: error,
    })
  if (code === resultCodes.notADatabase)
    return new PkiError('ERR_STORE_SCHEMA', `${path} is not a SQLite database`, { cause: error })
  const found = storeError(error, path)
  return new PkiError('ERR_STORE_UNAVAILABLE', `${found.message}${whyNotWritable(path)}`, { cause: error })
}

/** SQLite calls a read-only file system, or a directory without permission, an I/O error. */
function whyNotWritable(path: string): string {
  for (const place of [path, dirname(path)])
    try {
      accessSync(place, constants.W_OK)
    } catch (error) {
      return `; ${place} cannot be written: ${systemReason(error)}`
    }
  return ''
}

/** Only for messages: the lock does not depend on this file. */
function writerOf(path: string): string {
  try {
    const text = readFileSync(ownerFile(path), 'utf8').slice(0, 300)
    const { pid, host, since } = JSON.parse(text) as Readonly<Record<string, unknown>>
    return `process ${String(pid)} on ${String(host)} since ${String(since)}`
  } catch {
    return 'another process'
  }
}

function ownerFile(path: string): string {
  return `${path}-writer`
}

function ownerText({ nowMs }: StoreSetup): string {
  return JSON.stringify({ pid: process.pid, host: hostname(), since: new Date(nowMs).toISOString() })
}
