// Files with secrets: there whole or not at all, for their owner alone, and still there after a power cut.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PkiError, isPkiError } from '../../errors/index.ts'

/** The moments of a write, in order; tests end the process at each. */
export type WriteStep =
  'begin' | 'created' | 'written' | 'synced' | 'linked' | 'unlinked' | 'directory-synced'

/** Told of each moment of a write. */
export type OnWriteStep = (step: WriteStep) => void | Promise<void>

/**
 * Creates a file that does not exist: written to a temporary name, fsynced, given its name, directory fsynced.
 *
 * The name is given by a link, which fails where the name is taken: of two processes one wins, and nothing is ever overwritten.
 *
 * @returns false where the name is taken
 * @throws ERR_KEY_STORAGE
 */
export async function createSecureFile(
  path: string,
  content: string,
  onStep: OnWriteStep = ignore,
): Promise<boolean> {
  const directory = dirname(path)
  const temporary = join(directory, `${temporaryPrefix}${randomBytes(12).toString('hex')}`)
  try {
    await onStep('begin')
    const file = await open(temporary, 'wx', 0o600)
    try {
      await onStep('created')
      await file.writeFile(content)
      await onStep('written')
      await file.sync()
    } finally {
      await file.close()
    }
    await onStep('synced')
    const taken = await link(temporary, path).then(
      () => false,
      (error: unknown) => {
        if (codeOf(error) === 'EEXIST') return true
        throw error
      },
    )
    await onStep('linked')
    await rm(temporary)
    await onStep('unlinked')
    await syncDirectory(directory)
    await onStep('directory-synced')
    return !taken
  } catch (error) {
    await rm(temporary, { force: true }).catch(ignore)
    throw storageError('write', error)
  }
}

/**
 * The text of a file that only its owner may read; undefined where there is none. Symbolic links are not followed.
 *
 * @throws ERR_KEY_STORAGE for a file that is open to others, another's, no file, or longer than `limit` octets
 */
export async function readSecureFile(path: string, limit: number): Promise<string | undefined> {
  try {
    // Non-blocking, or a pipe in its place would wait for a writer for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new PkiError('ERR_KEY_STORAGE', `${path} is no file`)
      if ((found.mode & 0o077) !== 0) throw openToOthers(path, found.mode, '600')
      if (found.uid !== (process.geteuid?.() ?? found.uid))
        throw new PkiError('ERR_KEY_STORAGE', `${path} belongs to another user (${found.uid})`)
      if (found.size > limit)
        throw new PkiError('ERR_KEY_STORAGE', `${path} has ${found.size} octets; at most ${limit} are read`)
      return await file.readFile('latin1')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw storageError('read', error)
  }
}

/** Removes a file for good; false where there is none. @throws ERR_KEY_STORAGE */
export async function removeSecureFile(path: string): Promise<boolean> {
  try {
    // Not `rm`, which is content where another process was first.
    await unlink(path)
    await syncDirectory(dirname(path))
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw storageError('remove', error)
  }
}

/** Makes a directory for its owner alone, or checks that one is. @throws ERR_KEY_STORAGE */
export async function secureDirectory(path: string): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) === 'EEXIST') return undefined // something else, of which we say below what it is
      throw error
    })
    if (made !== undefined) {
      // A new directory is an entry of the one above it: without this, a power cut takes it away with every key in it.
      const top = dirname(resolve(made))
      for (let at = dirname(resolve(path)); ; at = dirname(at)) {
        await syncDirectory(at)
        if (at === top || at === dirname(at)) break
      }
    }
    const found = await stat(path)
    if (!found.isDirectory()) throw new PkiError('ERR_KEY_STORAGE', `${path} is no directory`)
    const { mode, uid } = found
    if ((mode & 0o077) !== 0) throw openToOthers(`directory ${path}`, mode, '700')
    // Its owner may put other files in the place of ours.
    if (uid !== (process.geteuid?.() ?? uid))
      throw new PkiError('ERR_KEY_STORAGE', `directory ${path} belongs to another user (${uid})`)
  } catch (error) {
    throw storageError('open', error)
  }
}

/** Names of the directories in a directory; what else lies there is none of ours. @throws ERR_KEY_STORAGE */
export async function listSecureDirectories(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
      .map(({ name }) => name)
  } catch (error) {
    throw storageError('read', error)
  }
}

/**
 * Names in a directory, without what an interrupted write left; that is removed once it is old enough to be nobody's.
 *
 * @throws ERR_KEY_STORAGE, also for a symbolic link
 */
export async function listSecureFiles(path: string, nowMs: number): Promise<readonly string[]> {
  let names: string[]
  try {
    // As with files: what a link points to may be anybody's.
    if ((await lstat(path)).isSymbolicLink())
      throw new PkiError('ERR_KEY_STORAGE', `${path} is a symbolic link`)
    names = await readdir(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw storageError('read', error)
  }
  for (const name of names.filter((one) => one.startsWith(temporaryPrefix))) {
    const file = join(path, name)
    const age = await stat(file).then(
      ({ mtimeMs }) => nowMs - mtimeMs,
      () => 0,
    )
    if (age > staleMs) await rm(file, { force: true }).catch(ignore)
  }
  return names.filter((name) => !name.startsWith(temporaryPrefix))
}

/** A file system's refusal, without what was being written. */
function storageError(verb: string, error: unknown): PkiError {
  if (isPkiError(error)) return error
  return new PkiError(
    'ERR_KEY_STORAGE',
    `cannot ${verb} ${pathOf(error) ?? 'a key file'}: ${codeOf(error) ?? 'unknown reason'}`,
    { cause: error },
  )
}

function openToOthers(what: string, mode: number, wanted: string): PkiError {
  return new PkiError(
    'ERR_KEY_STORAGE',
    `${what} is open to others (mode ${(mode & 0o777).toString(8)}); ${wanted} is wanted`,
  )
}

function pathOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).path : undefined
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const ignore = (): void => undefined
const temporaryPrefix = '.writing-'
const staleMs = 3_600_000
