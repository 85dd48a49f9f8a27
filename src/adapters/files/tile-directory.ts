// The tiles of an audit log as plain files: any web server can serve the directory, any tool can copy it.

import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import type { TileStore } from '../../audit/index.ts'
import { PkiError } from '../../errors/index.ts'
import { codeOf, syncDirectory } from './file-access.ts'

/**
 * A directory of tiles for `openAuditLog`. Files are written atomically: to
 * a temporary name, fsynced, renamed, directory fsynced. They contain no secrets, so their permissions are
 * those of the directory.
 *
 * @throws ERR_STORE_UNAVAILABLE from `read` and `write`, with the path and the reason of the system
 * @example
 * ```ts
 * const tiles = createTileDirectory('/var/lib/ca/audit')
 * const log = await openAuditLog({ origin, signer, entries: storage.audit, tiles })
 * ```
 */
export function createTileDirectory(directory: string): TileStore {
  if (typeof directory !== 'string' || directory === '')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'createTileDirectory: the directory must be a path')
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
        await replace(file, octets)
        // A new directory is durable when the ones above it are.
        if (created !== undefined)
          for (let above = dirname(file); above.length >= dirname(created).length; above = dirname(above)) {
            await syncDirectory(above)
            if (above === dirname(above)) break
          }
      } catch (error) {
        throw unavailable('write', file, error)
      }
    },
  })
}

async function replace(file: string, octets: Uint8Array): Promise<void> {
  const temporary = join(dirname(file), `.writing-${randomBytes(12).toString('hex')}`)
  try {
    const handle = await open(temporary, 'wx', 0o644)
    try {
      await handle.writeFile(octets)
      await handle.sync()
    } finally {
      await handle.close()
    }
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
  const reason = codeOf(cause) ?? 'unknown'
  return new PkiError('ERR_STORE_UNAVAILABLE', `${file}: cannot ${verb} it: ${reason}`, { cause })
}
