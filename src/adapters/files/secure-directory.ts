// Directories with secrets: accessible to their owner only, and checked again when used.

import { lstat, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PkiError } from '../../errors/index.ts'
import { checkAccess, codeOf, storageError, syncDirectory } from './file-access.ts'
import type { FileAccess } from './file-access.ts'
import { temporaryPrefix } from './secure-file.ts'

/** The identity of a directory when it was opened. */
export interface SecureDirectory {
  /** The path without symbolic links. */
  readonly path: string
  /** Device and inode. */
  readonly identity: string
}

/** Creates a directory for its owner only, or checks an existing one. @throws ERR_KEY_STORAGE */
export async function secureDirectory(path: string, access: FileAccess): Promise<SecureDirectory> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) === 'EEXIST') return undefined // not a directory; the check below reports it
      throw error
    })
    if (made !== undefined) await syncAncestors(path, made)
    const identity = await checkDirectory(path, access)
    return { path: await realpath(path), identity }
  } catch (error) {
    throw storageError('open', error)
  }
}

/**
 * Checks the directory again. A link that now points elsewhere, or another directory under the same name, may
 * contain keys of another user.
 *
 * @throws ERR_KEY_STORAGE
 */
export async function requireSameDirectory(
  path: string,
  { identity }: SecureDirectory,
  access: FileAccess,
): Promise<void> {
  let found: string
  try {
    found = await checkDirectory(path, access)
  } catch (error) {
    throw storageError('open', error)
  }
  if (found === identity) return
  throw new PkiError(
    'ERR_KEY_STORAGE',
    `directory ${path} was replaced by another since it was opened; open it again`,
  )
}

/**
 * A new directory is an entry in its parent; without this fsync, a power
 * failure can lose it with every key in it.
 */
async function syncAncestors(path: string, firstMade: string): Promise<void> {
  const top = dirname(resolve(firstMade))
  for (let at = dirname(resolve(path)); ; at = dirname(at)) {
    await syncDirectory(at)
    if (at === top || at === dirname(at)) return
  }
}

async function checkDirectory(path: string, access: FileAccess): Promise<string> {
  const found = await stat(path)
  if (!found.isDirectory()) throw new PkiError('ERR_KEY_STORAGE', `${path} is not a directory`)
  checkAccess(`directory ${path}`, found, access, '700')
  return `${found.dev}:${found.ino}`
}

/** Names of the directories in a directory. @throws ERR_KEY_STORAGE */
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
 * Names in a directory, without the temporary files of writes. Temporary files older than an hour are left
 * over from an interrupted write and are removed.
 *
 * @throws ERR_KEY_STORAGE, also for a symbolic link, and a directory that is accessible to others
 */
export async function listSecureFiles(
  path: string,
  access: FileAccess,
  nowMs: number,
): Promise<readonly string[]> {
  let names: string[]
  try {
    const found = await lstat(path)
    // As with files: a link may point to a directory of another user.
    if (found.isSymbolicLink()) {
      throw new PkiError(
        'ERR_KEY_STORAGE',
        `${path} is a symbolic link; expected a directory. The files of a Kubernetes Secret volume are ` +
          'links: copy them to a directory of another volume (cp -L) in an init container',
      )
    }
    if (!found.isDirectory()) throw new PkiError('ERR_KEY_STORAGE', `${path} is not a directory`)
    checkAccess(`directory ${path}`, found, access, '700')
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
    if (age > staleMs) await rm(file, { force: true }).catch(() => undefined)
  }
  return names.filter((name) => !name.startsWith(temporaryPrefix))
}

const staleMs = 3_600_000
