// Creates the directory of a CA from an archive, completely checked before it gets its name.

import { lstat, mkdir, open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { createSqliteStorage } from '../../adapters/sqlite/index.ts'
import { encodeAuditRecord } from '../../audit/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { checkCounts } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { requirePassphrase } from '../../internal/passphrase.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { damaged, readArchive } from './archive-cipher.ts'
import { contentOf, readEntries } from './archive-entries.ts'
import type { ArchiveEntry } from './archive-entries.ts'
import { manifestName, maxManifestOctets, parseManifest } from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { systemError } from '../system-error.ts'
import { keyFileName, syncDirectory } from './create-backup.ts'
import type { PassphraseSource } from './create-backup.ts'
import { RestoringFolder } from './restoring-folder.ts'

/** The requirements for an archive. @inline */
export interface BackupRequirements {
  /** The archive. */
  readonly path: string
  /** The passphrase of the archive. */
  readonly passphrase: PassphraseSource
  /** The expected trust domain of the CA. Default: any. */
  readonly trustDomain?: TrustDomain | string
  /** Refuses an archive that was made before this time. Default: any age. */
  readonly notBefore?: Date
  /** Refuses an archive with fewer entries of the audit log. Default 0. */
  readonly minAuditSize?: number
  readonly clock?: Clock | undefined
  /** The module of the thread of SQLite, for a bundled program; see `createSqliteStorage`. */
  readonly workerModule?: URL | undefined
}

/** Options of `restoreBackup`. @inline */
export interface RestoreOptions extends BackupRequirements {
  /** The directory to create, for `createCaService`; it must not exist. */
  readonly directory: string
}

/** The result of a restoration. Frozen. @inline */
export interface RestoredBackup {
  readonly trustDomain: TrustDomain
  /** When the archive was made; it does not contain later certificates and revocations. */
  readonly created: Date
  /** The number of audit log entries that `checkpoint` covers; undefined if the log was off. */
  readonly auditSize: number | undefined
  readonly checkpoint: string | undefined
  /**
   * Whether the key files were restored; otherwise `createCaService` needs the option `keys` with the same
   * keys.
   */
  readonly hasKeyFiles: boolean
}

/**
 * Creates the directory of a CA from a backup. The directory gets its name when all of its content was
 * checked and is on the disk; an existing directory is never changed. Files that a killed restoration into
 * the same directory has left are removed. The CA continues with the same root, keys, records and audit log.
 * The number of its next CRL is the time in milliseconds, which is above any number published since the
 * backup. The CA has no records of later certificates and revocations: revoke such certificates again with
 * `revoke(…, { certificate })`.
 *
 * @throws ERR_BACKUP_DAMAGED for a damaged, truncated or reordered archive; ERR_KEY_PASSPHRASE;
 * ERR_BACKUP_TOO_OLD; ERR_STORE_OWNER for another CA; ERR_STORE_SCHEMA for a newer schema; ERR_STORE_CLOCK if
 * the clock is before the backup; ERR_STORE_UNAVAILABLE; ERR_INVALID_ARGUMENT also for a directory that
 * exists
 * @example
 * ```ts
 * const directory = '/var/lib/ca'
 * await restoreBackup({ path: '/backup/ca-2026-11-30', directory, passphrase: readPassphrase })
 * ```
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredBackup> {
  const read = readOptions<RestoreOptions>('restoreBackup', options, {
    ...requirementKinds,
    directory: 'required',
  })
  checkRequirements('restoreBackup', read)
  if (typeof read.directory !== 'string' || read.directory === '')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `restoreBackup: directory must be a path, found ${nameOf(read.directory)}`,
    )
  const directory = resolve(read.directory)
  try {
    if (await exists(directory))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `restoreBackup: ${directory} exists; choose one that does not`,
      )
    await using folder = await RestoringFolder.make(directory, read.workerModule)
    const { path: temporary } = folder
    const manifest = await extract(read, temporary).catch((error: unknown) => {
      throw inArchive(read.path, error)
    })
    await finishStore(read, temporary, manifest)
    await syncDirectory(temporary)
    await rename(temporary, directory)
    await syncDirectory(dirname(directory))
    return Object.freeze({
      trustDomain: TrustDomain.from(manifest.trustDomain),
      created: new Date(manifest.created),
      auditSize: manifest.audit?.size,
      checkpoint: manifest.audit?.checkpoint,
      hasKeyFiles: manifest.keyStorage === 'files',
    })
  } catch (error) {
    throw systemError('restoreBackup', error, read.path)
  }
}

/** The keys of the options of restoring and verifying, for `readOptions`. */
export const requirementKinds = {
  path: 'required',
  passphrase: 'required',
  trustDomain: 'guard',
  notBefore: 'guard',
  minAuditSize: 'guard',
  clock: 'optional',
  workerModule: 'optional',
} as const

/** @throws ERR_INVALID_ARGUMENT */
export function checkRequirements(
  caller: string,
  { path, passphrase, notBefore, minAuditSize }: BackupRequirements,
): void {
  if (typeof path !== 'string' || path === '')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: path must be the path of a file`)
  if (typeof passphrase !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: passphrase is not a function`)
  if (notBefore !== undefined && (!(notBefore instanceof Date) || Number.isNaN(notBefore.getTime())))
    throw new PkiError('ERR_INVALID_ARGUMENT', `${caller}: notBefore must be a Date`)
  checkCounts({ minAuditSize }, 0)
}

/** Reads the whole archive. None of it is used before its last chunk was authenticated. */
async function extract(required: BackupRequirements, directory: string): Promise<BackupManifest> {
  const passphrase = requirePassphrase(await required.passphrase())
  const file = await open(required.path, 'r')
  try {
    let manifest: BackupManifest | undefined
    const seen = new Set<string>()
    for await (const entry of readEntries(readArchive(file, passphrase))) {
      if (seen.has(entry.name)) throw damaged(`it has ${entry.name} twice`)
      seen.add(entry.name)
      if (manifest === undefined) manifest = await readManifest(entry, required)
      else await writeEntryFile(entry, directory)
    }
    if (manifest === undefined || !seen.has('ca.sqlite')) throw damaged('it has no manifest or no store')
    return manifest
  } finally {
    await file.close()
  }
}

/** Adds the path to a message, because a directory may contain many backups. */
function inArchive(path: string, error: unknown): unknown {
  return isPkiError(error) ? new PkiError(error.code, `${path}: ${error.message}`, { cause: error }) : error
}

async function readManifest(
  entry: ArchiveEntry,
  { trustDomain, notBefore, minAuditSize = 0 }: BackupRequirements,
): Promise<BackupManifest> {
  if (entry.name !== manifestName) throw damaged('its first entry is not the manifest')
  const manifest = parseManifest(await contentOf(entry, maxManifestOctets))
  const { created, audit } = manifest
  if (trustDomain !== undefined && TrustDomain.from(trustDomain).name !== manifest.trustDomain)
    throw new PkiError(
      'ERR_STORE_OWNER',
      `the backup is of ${JSON.stringify(manifest.trustDomain)}; expected ` +
        TrustDomain.from(trustDomain).name,
    )
  if (notBefore !== undefined && new Date(created) < notBefore)
    throw new PkiError(
      'ERR_BACKUP_TOO_OLD',
      `the backup is of ${created}; expected one of ${notBefore.toISOString()} or later`,
    )
  if ((audit?.size ?? 0) < minAuditSize)
    throw new PkiError(
      'ERR_BACKUP_TOO_OLD',
      `the backup has ${audit?.size ?? 0} entries of the audit log; expected at least ${minAuditSize}`,
    )
  return manifest
}

async function writeEntryFile(entry: ArchiveEntry, directory: string): Promise<void> {
  const isKeyFile = keyFileName.test(entry.name)
  if (entry.name !== 'ca.sqlite' && !isKeyFile)
    throw damaged(`it has the entry ${JSON.stringify(entry.name)}`)
  if (isKeyFile && entry.octets > maxKeyFileOctets) throw damaged(`${entry.name} has ${entry.octets} octets`)
  const path = join(directory, entry.name)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const part of entry.content()) await file.writeFile(part)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncDirectory(dirname(path))
}

/** Opens the store, which checks its owner, its schema and the clock, and records the restoration. */
async function finishStore(
  { clock = systemClock, workerModule }: BackupRequirements,
  directory: string,
  { trustDomain, audit, created }: BackupManifest,
): Promise<void> {
  const path = join(directory, 'ca.sqlite')
  await using storage = await createSqliteStorage({ path, owner: trustDomain, clock, workerModule })
  if (audit === null) return
  const time = new Date(clock.now())
  const details = { action: 'restored', backup: created }
  await storage.audit.append([encodeAuditRecord({ event: 'configuration', time, details })])
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    },
  )
}

const maxKeyFileOctets = 64 * 1024
