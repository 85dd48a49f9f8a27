// A sink of the audit log: its records as JSON lines in a file, which is renamed when it is full.

import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemReason } from '../../internal/files/system-error.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { codeOf, syncDirectory } from './file-access.ts'

/** A record as the log passes it to its sinks. @inline */
interface AuditLogEntry {
  readonly index: number
  readonly entry: Uint8Array
}

/** Options of `createAuditFile`. @inline */
export interface AuditFileOptions {
  /** The file; its directory must exist. Mode 0600. */
  readonly path: string
  /** A file that would become larger is renamed to `<path>.1`, and that to `<path>.2`. Default 64 MiB. */
  readonly maxBytes?: number | undefined
  /** Renamed files that are kept, 0 to 1,000; older ones are removed. Default 10. */
  readonly maxFiles?: number | undefined
}

/**
 * A sink for `openAuditLog`: one line `{"index":…,"record":{…}}` for each record. The line is on the disk
 * when the sink resolves. After a crash some lines can occur twice, with the same index. The file has no
 * proofs; it is for tools that read files.
 *
 * @throws ERR_INVALID_ARGUMENT; ERR_STORE_UNAVAILABLE from the sink, with path and reason
 * @example
 * ```ts
 * const sinks = [createAuditFile({ path: '/var/log/ca/audit.jsonl' })]
 * ```
 */
export function createAuditFile(
  options: AuditFileOptions,
): (entries: readonly AuditLogEntry[]) => Promise<void> {
  const read = readOptions<AuditFileOptions>('createAuditFile', options, {
    path: 'required',
    maxBytes: 'optional',
    maxFiles: 'optional',
  })
  if (typeof read.path !== 'string' || read.path === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `createAuditFile: path must be the path of a file, found ${nameOf(read.path)}`,
    )
  const path = resolve(read.path)
  const maxBytes = requireCount('maxBytes', read.maxBytes ?? 64 * 1024 * 1024, 1024)
  const maxFiles = requireCount('maxFiles', read.maxFiles ?? 10, 0, 1000)
  // One after another: a renamed file must not get further lines.
  let last: Promise<void> = Promise.resolve()
  return (entries) => {
    const lines = Buffer.from(entries.map(lineOf).join(''))
    last = last.catch(() => undefined).then(() => append(path, lines, maxBytes, maxFiles))
    return last
  }
}

async function append(path: string, lines: Buffer, maxBytes: number, maxFiles: number): Promise<void> {
  try {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    )
    if (size > 0 && size + lines.length > maxBytes) await rotate(path, maxFiles)
    const file = await open(path, 'a', 0o600)
    try {
      await file.appendFile(lines)
      await file.sync()
    } finally {
      await file.close()
    }
    await syncDirectory(dirname(path))
  } catch (cause) {
    throw new PkiError('ERR_STORE_UNAVAILABLE', `${path}: cannot write it: ${systemReason(cause)}`, {
      cause,
    })
  }
}

/** Renames from the oldest to the newest, so that a crash in between loses at most the oldest file. */
async function rotate(path: string, maxFiles: number): Promise<void> {
  if (maxFiles === 0) {
    await rm(path)
    return
  }
  for (let number = maxFiles - 1; number >= 0; number--)
    await rename(number === 0 ? path : `${path}.${number}`, `${path}.${number + 1}`).catch(
      (error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
      },
    )
}

/** A record is already JSON and is copied; other octets are written in base64. */
function lineOf({ index, entry }: AuditLogEntry): string {
  const text = Buffer.from(entry).toString('utf8')
  const isRecord = text.startsWith('{') && !text.includes('\n')
  const content = isRecord ? `"record":${text}` : `"entry":"${Buffer.from(entry).toString('base64')}"`
  return `{"index":${index},${content}}\n`
}
