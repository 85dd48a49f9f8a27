// The folder in which a restoration is made, beside the directory that it becomes, with a lock that
// distinguishes it from the leftover of a killed process.

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createSqliteStorage } from '../../adapters/sqlite/index.ts'
import type { SqliteStorage } from '../../adapters/sqlite/index.ts'
import { isPkiError } from '../../errors/index.ts'

/** `DIRECTORY.restoring-<16 hexadecimal digits>`; its lock is a SQLite file with that name and `.lock`. */
export class RestoringFolder implements AsyncDisposable {
  readonly path: string
  readonly #lock: SqliteStorage

  private constructor(path: string, lock: SqliteStorage) {
    this.path = path
    this.#lock = lock
  }

  /**
   * Creates an empty folder, and removes those that killed processes left for the same directory.
   *
   * @throws the errors of the file system; ERR_STORE_UNAVAILABLE
   */
  static async make(directory: string, workerModule: URL | undefined): Promise<RestoringFolder> {
    const path = `${directory}.restoring-${randomBytes(8).toString('hex')}`
    // The lock before the folder: no folder of a living process is without it.
    const lock = await lockOf(path, workerModule)
    try {
      await removeLeftovers(directory, path, workerModule)
      await mkdir(path, { mode: 0o700 })
      return new RestoringFolder(path, lock)
    } catch (error) {
      await release(path, lock)
      throw error
    }
  }

  /** Removes the folder if it still exists, and then the lock. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true }).catch(() => undefined)
    await release(this.path, this.#lock)
  }
}

async function removeLeftovers(directory: string, own: string, workerModule: URL | undefined): Promise<void> {
  const parent = dirname(directory)
  const prefix = `${basename(directory)}.restoring-`
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix))
  // Also a lock without its folder: the process was killed before it created the folder or after it removed
  // it.
  const places = new Set(names.flatMap((name) => placePattern.exec(name.slice(prefix.length))?.[1] ?? []))
  for (const place of places) {
    const path = join(parent, `${prefix}${place}`)
    if (path !== own) await removeLeftover(path, workerModule)
  }
}

async function removeLeftover(path: string, workerModule: URL | undefined): Promise<void> {
  let lock: SqliteStorage
  try {
    lock = await lockOf(path, workerModule)
  } catch (error) {
    // The folder is in use, or cannot be opened, so it is kept.
    if (isPkiError(error)) return
    throw error
  }
  try {
    // A link or a file of that name was not made by a restoration.
    const isFolder = await lstat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (isFolder) await rm(path, { recursive: true, force: true })
  } finally {
    await release(path, lock)
  }
}

/** Takes an operating system lock, as a store does; it ends with its process. @throws ERR_STORE_LOCKED */
function lockOf(path: string, workerModule: URL | undefined): Promise<SqliteStorage> {
  return createSqliteStorage({ path: `${path}${lockSuffix}`, acceptEarlierClock: true, workerModule })
}

async function release(path: string, lock: SqliteStorage): Promise<void> {
  await lock[Symbol.asyncDispose]()
  for (const suffix of ['', '-wal', '-shm', '-writer'])
    await rm(`${path}${lockSuffix}${suffix}`, { force: true }).catch(() => undefined)
}

const lockSuffix = '.lock'
/** The digits of a folder's name, also in the names of its lock. */
const placePattern = /^([0-9a-f]{16})(?:\.lock(?:-wal|-shm|-writer)?)?$/
