// Files with secrets: written atomically, readable by their owner only, and durable after a power failure.

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PkiError } from '../../errors/index.ts'
import { checkAccess, codeOf, storageError, syncDirectory } from './file-access.ts'
import type { FileAccess } from './file-access.ts'

/**
 * Creates a file that must not exist: written to a temporary name, fsynced, linked to its name, directory
 * fsynced.
 *
 * The name is created by link(2), which fails if it exists: of two processes
 * one succeeds, and no file is overwritten.
 *
 * @returns false if the name exists
 * @throws ERR_KEY_STORAGE
 */
export async function createSecureFile(path: string, content: string): Promise<boolean> {
  const temporary = temporaryName(path)
  try {
    await writeTemporary(temporary, content)
    const taken = await link(temporary, path).then(
      () => false,
      (error: unknown) => {
        if (codeOf(error) === 'EEXIST') return true
        throw error
      },
    )
    await rm(temporary)
    await syncDirectory(dirname(path))
    return !taken
  } catch (error) {
    await rm(temporary, { force: true }).catch(ignore)
    throw storageError('write', error)
  }
}

/**
 * Replaces a file: written to a temporary name, fsynced, renamed over it, directory fsynced.
 * @throws ERR_KEY_STORAGE
 */
export async function replaceSecureFile(path: string, content: string): Promise<void> {
  const temporary = temporaryName(path)
  try {
    await writeTemporary(temporary, content)
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(ignore)
    throw storageError('write', error)
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `${temporaryPrefix}${randomBytes(12).toString('hex')}`)
}

async function writeTemporary(path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * The text of a file that only its owner may read; undefined if there is
 * none. Symbolic links are not followed.
 *
 * @throws ERR_KEY_STORAGE for a file that is accessible to others, belongs
 *   to another user, is not a file, or has more than `maxOctets`
 */
export async function readSecureFile(
  path: string,
  maxOctets: number,
  access: FileAccess,
): Promise<string | undefined> {
  try {
    // Non-blocking: opening a pipe would otherwise wait for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new PkiError('ERR_KEY_STORAGE', `${path} is not a regular file`)
      checkAccess(path, found, access, '600')
      if (found.size > maxOctets)
        throw new PkiError('ERR_KEY_STORAGE', `${path} has ${found.size} octets; the maximum is ${maxOctets}`)
      return await file.readFile('latin1')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    // Of O_NOFOLLOW.
    if (codeOf(error) === 'ELOOP')
      throw new PkiError('ERR_KEY_STORAGE', `${path} is a symbolic link; expected a regular file`, {
        cause: error,
      })
    throw storageError('read', error)
  }
}

/** Removes a file durably; false if it does not exist. @throws ERR_KEY_STORAGE */
export async function removeSecureFile(path: string): Promise<boolean> {
  try {
    // Not `rm` with `force`: the caller must learn whether another process removed the file first.
    await unlink(path)
    await syncDirectory(dirname(path))
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw storageError('remove', error)
  }
}

const ignore = (): void => undefined
/** The prefix of the names of unfinished files. */
export const temporaryPrefix = '.writing-'
