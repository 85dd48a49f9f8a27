// A backup of a running CA: a copy of the store, made by its own thread while issuance continues, the
// encrypted key files and a manifest, in one encrypted archive.

import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, open, readFile, readdir, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { SqliteStorage } from '../../adapters/sqlite/index.ts'
import { encodeAuditRecord } from '../../audit/index.ts'
import type { AuditLog } from '../../audit/index.ts'
import { PkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import type { KeyManager } from '../../keys/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { newPassphrase } from '../ca-service-options.ts'
import { systemError } from '../system-error.ts'
import { ArchiveWriter } from './archive-cipher.ts'
import { writeEnd, writeEntry } from './archive-entries.ts'
import { manifestName } from './backup-manifest.ts'
import type { BackedUpKey, BackupManifest } from './backup-manifest.ts'

/** Returns a passphrase. @inline */
export type PassphraseSource = () => string | Uint8Array | Promise<string | Uint8Array>

/** Options of `CaService.backup`. @inline */
export interface BackupOptions {
  /** The archive; its directory must exist, and the file must not. Mode 0600. */
  readonly path: string
  /** Encrypts the archive, at least 12 characters. It need not be that of the key files. */
  readonly passphrase: PassphraseSource
}

/** The result of a backup. Frozen. @inline */
export interface BackupResult {
  readonly path: string
  readonly octets: number
  readonly created: Date
  /** The number of audit log entries that the backup contains at least; undefined if the log is off. */
  readonly auditSize: number | undefined
  /** The signed checkpoint of that size: keep it elsewhere, for `verifyAuditLog`. */
  readonly checkpoint: string | undefined
}

/** The source of a backup. */
export interface BackupSource {
  readonly directory: string
  readonly trustDomain: string
  /** Undefined if the records are in a database server. */
  readonly storage: SqliteStorage | undefined
  readonly keys: KeyManager
  /** Whether the keys are files in `keys/`. */
  readonly hasKeyFiles: boolean
  readonly log: AuditLog | undefined
  readonly clock: Clock
}

/** @throws as `CaService.backup` */
export async function createBackup(source: BackupSource, options: BackupOptions): Promise<BackupResult> {
  const read = readOptions<BackupOptions>('backup', options, { path: 'required', passphrase: 'required' })
  if (typeof read.path !== 'string' || read.path === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `backup: path must be the path of a file, found ${nameOf(read.path)}`,
    )
  const path = resolve(read.path)
  const { storage } = source
  if (storage === undefined)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'backup: the option `storage` was given; back up that storage with its own tools, and also `keys/`',
    )
  const passphrase = await newPassphrase('backup', read.passphrase)
  const created = new Date(source.clock.now())
  const [copy, temporary] = [
    join(source.directory, `${copyPrefix}${randomBytes(8).toString('hex')}`),
    join(dirname(path), `.writing-${randomBytes(12).toString('hex')}`),
  ]
  try {
    await removeOldCopies(source.directory)
    const audit = await auditHead(source.log, storage, created)
    await storage.copyTo(copy)
    // After the copy: a key that a record names was made before that record.
    const keys = await keysOf(source.keys)
    const manifest: BackupManifest = {
      version: 1,
      trustDomain: source.trustDomain,
      created: created.toISOString(),
      schema: await schemaOf(copy),
      audit: audit ?? null,
      keyStorage: source.hasKeyFiles ? 'files' : 'reference',
      keys,
    }
    const octets = await writeArchive(temporary, passphrase, manifest, source, copy)
    await giveName(temporary, path)
    const { size: auditSize, checkpoint } = audit ?? {}
    return Object.freeze({ path, octets, created, auditSize, checkpoint })
  } catch (error) {
    throw systemError('backup', error, path)
  } finally {
    for (const file of [copy, temporary]) await rm(file, { force: true }).catch(() => undefined)
  }
}

/** Records the backup itself in the audit log, and returns a checkpoint that covers this record. */
async function auditHead(
  log: AuditLog | undefined,
  storage: SqliteStorage,
  time: Date,
): Promise<{ readonly size: number; readonly checkpoint: string } | undefined> {
  if (log === undefined) return undefined
  await storage.audit.append([
    encodeAuditRecord({ event: 'configuration', time, details: { action: 'backup' } }),
  ])
  await log.integrate()
  return { size: log.size, checkpoint: log.checkpoint }
}

async function keysOf(keys: KeyManager): Promise<BackedUpKey[]> {
  const found: BackedUpKey[] = []
  for (const { id, version, algorithm } of await keys.listKeys()) {
    const signer = await keys.getSigner(id, version)
    if (signer === undefined) continue
    const publicKey = Buffer.from(signer.publicKey.spki).toString('base64')
    found.push({ id, version, algorithm, publicKey })
  }
  return found
}

/** `user_version` in the header of a SQLite file: https://www.sqlite.org/fileformat.html §1.3 */
async function schemaOf(path: string): Promise<number> {
  const file = await open(path, 'r')
  try {
    const version = Buffer.alloc(4)
    await file.read(version, 0, 4, 60)
    return version.readUInt32BE()
  } finally {
    await file.close()
  }
}

async function writeArchive(
  path: string,
  passphrase: string | Uint8Array,
  manifest: BackupManifest,
  { directory, hasKeyFiles }: BackupSource,
  copy: string,
): Promise<number> {
  const file = await open(path, 'wx', 0o600)
  try {
    const writer = await ArchiveWriter.begin(file, passphrase)
    const json = Buffer.from(JSON.stringify(manifest))
    await writeEntry(writer, manifestName, json.length, [json])
    if (hasKeyFiles) await writeKeyFiles(writer, join(directory, 'keys'))
    await writeFileEntry(writer, 'ca.sqlite', copy)
    await writeEnd(writer)
    await file.sync()
    return writer.octets
  } finally {
    await file.close()
  }
}

/** Key files are encrypted already, and small. */
async function writeKeyFiles(writer: ArchiveWriter, directory: string): Promise<void> {
  for (const { name: id } of await readdir(directory, { withFileTypes: true }))
    for (const name of await readdir(join(directory, id))) {
      if (!keyFileName.test(`keys/${id}/${name}`)) continue
      const content = await readFile(join(directory, id, name))
      await writeEntry(writer, `keys/${id}/${name}`, content.length, [content])
    }
}

async function writeFileEntry(writer: ArchiveWriter, name: string, path: string): Promise<void> {
  const file: FileHandle = await open(path, 'r')
  const { size } = await file.stat()
  await writeEntry(writer, name, size, createReadStream(path, { fd: file, highWaterMark: 256 * 1024 }))
}

/** Creates the name only when all octets are on the disk, and never overwrites a file. */
async function giveName(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new PkiError('ERR_INVALID_ARGUMENT', `backup: ${path} exists; a backup does not overwrite files`, {
      cause,
    })
  }
  await rm(temporary)
  await syncDirectory(dirname(path))
}

/**
 * Removes copies that a killed process has left: only one process has the store open, so no other process
 * uses them.
 */
async function removeOldCopies(directory: string): Promise<void> {
  for (const name of await readdir(directory))
    if (name.startsWith(copyPrefix)) await rm(join(directory, name), { force: true })
}

/** Makes the entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The names of key files in an archive: `keys/<id>/<version>.pem`, and the marks of destroyed versions. */
export const keyFileName: RegExp =
  /^keys\/([A-Za-z0-9][A-Za-z0-9._-]{0,127})\/[1-9][0-9]{0,9}\.(pem|destroyed)$/
const copyPrefix = '.backup-'
