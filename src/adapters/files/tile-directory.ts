// The tiles of an audit log as plain files: any web server can serve the directory, any tool can copy it.

import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { basename, dirname, join, resolve } from 'node:path'
import type { TileStore } from '../../audit/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { systemReason } from '../../internal/files/system-error.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { codeOf, syncDirectory } from './file-access.ts'

/**
 * A directory of tiles for `openAuditLog`. Files are written atomically: to a temporary name, fsynced,
 * renamed, directory fsynced. They contain no secrets, so their permissions are those of the directory. A
 * checkpoint never replaces one with more entries, also if several processes write.
 *
 * @throws ERR_STORE_UNAVAILABLE from `read` and `write`, with the path and the reason of the system;
 *   ERR_STORE_CONFLICT from `write` of a checkpoint if another process has written a later one, or is writing
 * @example
 * ```ts
 * const tiles = createTileDirectory('/var/lib/ca/audit')
 * const log = await openAuditLog({ origin, signer, entries: storage.audit, tiles })
 * ```
 */
export function createTileDirectory(directory: string): TileStore {
  if (typeof directory !== 'string' || directory === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createTileDirectory: the directory must be a path, found ${nameOf(directory)}`,
    )
  const base = resolve(directory)
  return Object.freeze({
    async read(path: string): Promise<Uint8Array | undefined> {
      const file = within(base, path)
      try {
        return await readFile(file)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined
        throw unavailable('read', file, error)
      }
    },
    async write(path: string, octets: Uint8Array): Promise<void> {
      const file = within(base, path)
      try {
        const created = await mkdir(dirname(file), { recursive: true })
        if (path === 'checkpoint') await replaceCheckpoint(file, octets)
        else await replace(file, octets, writingPrefix)
        // A new directory is durable when the ones above it are.
        if (created !== undefined)
          for (let above = dirname(file); above.length >= dirname(created).length; above = dirname(above)) {
            await syncDirectory(above)
            if (above === dirname(above)) break
          }
      } catch (error) {
        throw isPkiError(error) ? error : unavailable('write', file, error)
      }
    },
  })
}

/**
 * A suspended leader may continue in the middle of a write after another leader has written. The file system
 * has no conditional rename. So each writer first removes the temporary files of others, and reads the
 * checkpoint only then: if two writers have read the same checkpoint, at least one has lost its temporary
 * file before its rename, and an older checkpoint cannot replace a newer one.
 *
 * @throws ERR_STORE_CONFLICT
 */
async function replaceCheckpoint(file: string, octets: Uint8Array): Promise<void> {
  const directory = dirname(file)
  try {
    await replace(file, octets, checkpointPrefix, async (own) => {
      for (const name of await readdir(directory))
        if (name.startsWith(checkpointPrefix) && name !== basename(own))
          await rm(join(directory, name), { force: true })
      const before = await readFile(file).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      })
      if (before === undefined || isLater(octets, before)) return
      throw conflict(`${file} has a checkpoint with more entries, which another process has written`)
    })
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    throw conflict(`${file} is being written by another process`)
  }
}

/** The second line of a checkpoint is its size; a checkpoint of another log is not compared. */
function isLater(octets: Uint8Array, before: Uint8Array): boolean {
  const [origin, size] = Buffer.from(octets).toString('utf8').split('\n', 2)
  const [otherOrigin, otherSize] = Buffer.from(before).toString('utf8').split('\n', 2)
  return origin !== otherOrigin || !(Number(otherSize) > Number(size))
}

function conflict(message: string): PkiError {
  return new PkiError('ERR_STORE_CONFLICT', message)
}

/** `last` runs when the content is on the disk under its temporary name, before the renaming. */
async function replace(
  file: string,
  octets: Uint8Array,
  prefix: string,
  last?: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(file), `${prefix}${randomBytes(12).toString('hex')}`)
  try {
    const handle = await open(temporary, 'wx', 0o644)
    try {
      await handle.writeFile(octets)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await last?.(temporary)
    await rename(temporary, file)
    await syncDirectory(dirname(file))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}

/**
 * Paths of tiles have lower-case letters, digits, dots and slashes; they cannot lead out of the directory.
 */
function within(base: string, path: string): string {
  if (!/^(checkpoint|tile\/(entries|[0-9]{1,2})(\/x[0-9]{3})*\/[0-9]{3}(\.p\/[0-9]{1,3})?)$/.test(path))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${JSON.stringify(path.slice(0, 100))} is not the path of a tile`,
    )
  return join(base, path)
}

function unavailable(verb: 'read' | 'write', file: string, cause: unknown): PkiError {
  return new PkiError('ERR_STORE_UNAVAILABLE', `${file}: cannot ${verb} it: ${systemReason(cause)}`, {
    cause,
  })
}

const writingPrefix = '.writing-'
const checkpointPrefix = '.checkpoint-'
