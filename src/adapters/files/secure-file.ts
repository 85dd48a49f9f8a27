// Files with secrets: there whole or not at all, for their owner alone, and still there after a power cut.

import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PkiError, isPkiError } from '../../errors/index.ts'

/** The moments of a write, in order; tests end the process at each. */
export type WriteStep = 'begin' | 'created' | 'written' | 'synced' | 'linked' | 'unlinked' | 'directory-synced'

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
export async function createSecureFile(path: string, content: string, onStep: OnWriteStep = ignore): Promise<boolean> {
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
    const taken = await link(temporary, path).then(() => false, (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return true
      throw error
    })
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

/** Removes a file for good. @throws ERR_KEY_STORAGE */
export async function removeSecureFile(path: string): Promise<void> {
  try {
    await rm(path)
    await syncDirectory(dirname(path))
  } catch (error) {
    throw storageError('remove', error)
  }
}

/** Makes a directory for its owner alone, or checks that one is. @throws ERR_KEY_STORAGE */
export async function secureDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0) throw new PkiError('ERR_KEY_STORAGE', `directory ${path} is open to others (mode ${(mode & 0o777).toString(8)}); 700 is wanted`)
  } catch (error) {
    throw storageError('open', error)
  }
}

/** Names in a directory, without what an interrupted write left; that is removed once it is old enough to be nobody's. */
export async function listSecureFiles(path: string, nowMs: number): Promise<readonly string[]> {
  let names: string[]
  try {
    names = await readdir(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw storageError('read', error)
  }
  for (const name of names.filter((one) => one.startsWith(temporaryPrefix))) {
    const file = join(path, name)
    const age = await stat(file).then(({ mtimeMs }) => nowMs - mtimeMs, () => 0)
    if (age > staleMs) await rm(file, { force: true }).catch(ignore)
  }
  return names.filter((name) => !name.startsWith(temporaryPrefix))
}

/** A file system's refusal, without what was being written. */
export function storageError(verb: string, error: unknown): PkiError {
  if (isPkiError(error)) return error
  return new PkiError('ERR_KEY_STORAGE', `cannot ${verb} a key file: ${codeOf(error) ?? 'unknown reason'}`, { cause: error })
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
