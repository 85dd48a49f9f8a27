// One call that opens or creates a CA that outlives its process: keys in encrypted files, everything else in
// SQLite.

import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FileKeyManager } from '../adapters/files/index.ts'
import { createSqliteStorage } from '../adapters/sqlite/index.ts'
import type { SqliteStorage } from '../adapters/sqlite/index.ts'
import type { AuditLog } from '../audit/index.ts'
import type { CaStorage, CertificateAuthority } from '../ca/index.ts'
import { measuredStorage } from '../ca/internal.ts'
import type { RotatingAuthority } from '../ca/internal.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import { createIssuanceService } from '../issuance/index.ts'
import type { IssuanceService } from '../issuance/index.ts'
import type { KeyManager } from '../keys/index.ts'
import { safeMetrics } from '../runtime/internal.ts'
import type { Certificate } from '../x509/index.ts'
import { ServiceBackups } from './backup/service-backups.ts'
import type { BackupOptions, BackupResult } from './backup/create-backup.ts'
import { openServiceAudit } from './ca-audit.ts'
import { ServiceAuthorities, issuingName } from './ca-authorities.ts'
import { CaHealthCheck } from './ca-health.ts'
import type { CaHealth } from './ca-health.ts'
import { newPassphrase, readCaServiceOptions } from './ca-service-options.ts'
import type { CaServiceOptions, ReadCaServiceOptions } from './ca-service-options.ts'
import { numberedByLeader, seekLeadership } from './leadership.ts'
import type { Leadership } from './leadership.ts'
import { leaderTasks, maintain, notedTasks } from './maintenance.ts'
import { OperationRecords } from './recorded-operations.ts'
import { RootFile } from './root-file.ts'
import { systemError } from './system-error.ts'

/** A running CA. Disposing of it waits for requests in progress and closes the store. */
export interface CaService extends AsyncDisposable {
  /** Issues, renews, revokes. */
  readonly issuance: IssuanceService
  /** Signs; has the trust bundle, the CRLs and the issuing certificate. */
  readonly authority: CertificateAuthority
  /** All records; its `failure`, if it has one, is the reason why it cannot write. */
  readonly storage: CaStorage & Partial<Pick<SqliteStorage, 'failure' | 'pending'>>
  /** The transparency log of every decision; undefined if `audit` is false. */
  readonly audit: AuditLog | undefined
  /** The keys `root`, `issuing` and `audit`: back them up. */
  readonly keys: KeyManager
  /** The root that signs now. Relying parties trust each of `authority.roots`, which are in `root.pem`. */
  readonly root: Certificate
  /** The root and the issuing authority: their states, and a method for each step of their rotation. */
  readonly authorities: { readonly root: RotatingAuthority; readonly issuing: RotatingAuthority }
  /**
   * Makes a backup: the store, the encrypted key files or the names of the keys, and the head of the audit
   * log, in one encrypted file. Issuance continues meanwhile. The file gets its name when it is complete and
   * on the disk. `restoreBackup` creates a directory from it; `verifyBackup` tests that.
   *
   * @throws ERR_INVALID_ARGUMENT also for a file that exists, and with the option `storage`, because a
   *   database server has its own backups; ERR_STORE_UNAVAILABLE, ERR_STORE_FAILED, ERR_CLOSED
   */
  backup(options: BackupOptions): Promise<BackupResult>
  /**
   * The problems of the store, the signing key, the age of the CRLs, the end of the root and of the chain,
   * and the delay of the audit log. It never rejects; calls within five seconds share one check. For
   * `readiness` of `createHttpHandler`.
   */
  health(): Promise<CaHealth>
}

/**
 * Opens the CA in a directory, or creates it: the keys `root` and `issuing` in encrypted files, the store in
 * SQLite, the authority, the CRLs and the audit log and the issuance service. Opened again, it continues with
 * the same CA, records, revocations and CRL numbers. While it runs it replaces the issuing authority, and
 * later the root, each by one with a new key that is published before it signs. It keeps the CRLs current and
 * removes records after the look-back. Several processes with one `storage` are one CA.
 *
 * @throws ERR_STORE_LOCKED while another process uses the directory; ERR_STORE_OWNER for keys or a store of
 *   another CA, or a store that is lost; ERR_KEY_NOT_FOUND, ERR_KEY_PASSPHRASE, ERR_KEY_STORAGE;
 *   ERR_ROTATION_PLAN for `rotation`; ERR_INVALID_ARGUMENT; as `createSqliteStorage`
 * @example
 * ```ts
 * const trustDomain = 'example.org'
 * await using service = await createCaService({ directory: '/var/lib/ca', trustDomain, passphrase:
 * readPassphrase })
 * ```
 */
export async function createCaService(options: CaServiceOptions): Promise<CaService> {
  const read = readCaServiceOptions(options)
  const directory = resolve(read.directory)
  await makeDirectory(directory)
  const { clock, logger } = read
  // The store first: its lock keeps a second process from the keys.
  const storage = read.storage ?? (await openFile(directory, read))
  // The objects to close if a later step fails.
  const opened: AsyncDisposable[] = read.storage === undefined ? [storage] : []
  let keys = read.keys
  let leadership: Leadership | undefined
  try {
    keys ??= await FileKeyManager.open({
      directory: join(directory, 'keys'),
      passphrase: read.passphrase as NonNullable<typeof read.passphrase>,
      clock,
    })
    if (read.keys === undefined) opened.push(keys)
    if (read.passphrase !== undefined && !(await hasKeys(keys)))
      await newPassphrase('createCaService', read.passphrase)
    await requireStore(directory, storage)
    const owned = read.keys === undefined ? keys : undefined
    const records = new OperationRecords(storage.audit, clock, read.audit)
    keys = records.keys(keys)
    await records.append('configuration', { action: 'opened', ...configurationOf(read) })
    if (read.storage !== undefined)
      opened.push((leadership = await seekLeadership(storage.leases, clock, logger)))
    const numbered = leadership === undefined ? storage : numberedByLeader(storage, leadership, clock)
    const recorded = records.storage(numbered)
    const authorities = await ServiceAuthorities.open({ ...read, storage: recorded, keys })
    opened.push(authorities)
    const { authority } = authorities
    const rootFile = new RootFile(directory, read.logger)
    await rootFile.keep(authority.roots)
    authority.onTrustBundleChange(({ x509Authorities }) => void rootFile.update(x509Authorities))
    const calls = { metrics: safeMetrics('createCaService', read.metrics), clock }
    const measured = measuredStorage(storage, calls)
    const log = read.audit
      ? await openServiceAudit(join(directory, 'audit'), read, keys, measured)
      : undefined
    const issuance = issuanceOf(read, authority, log && receiptsOf(log, leadership))
    opened.push(issuance)
    const check = new CaHealthCheck({
      ...{ authority, keys, keyId: issuingName, clock, hasAudit: log !== undefined },
      metrics: calls.metrics,
      storeFailure: () => (storage as Partial<SqliteStorage>).failure,
    })
    const tasks = notedTasks(leaderTasks(authorities, log, leadership), check)
    await tasks.integrate()
    await tasks.issueCrls()
    const stop = maintain(read, authorities, log && tasks.integrate, tasks.issueCrls, check)
    const held = leadership
    const backups = new ServiceBackups(
      { directory, trustDomain: read.trustDomain.name, storage, keys, log, clock },
      { storage: read.storage === undefined, keys: read.keys === undefined },
    )
    return Object.freeze({
      ...{ issuance, authority, storage, audit: log, keys },
      health: () => check.health(),
      authorities: Object.freeze({ root: authorities.root, issuing: authorities.issuing }),
      get root() {
        return authorities.rootCertificate
      },
      backup: (wanted: BackupOptions) => backups.make(wanted),
      async [Symbol.asyncDispose]() {
        await backups.settled()
        await stop()
        await authorities[Symbol.asyncDispose]()
        await rootFile.settled
        await issuance[Symbol.asyncDispose]()
        await held?.[Symbol.asyncDispose]()
        if (read.storage === undefined) await storage[Symbol.asyncDispose]()
        await owned?.[Symbol.asyncDispose]()
      },
    })
  } catch (error) {
    await closeAfterFailure(opened)
    throw error
  }
}

/** Whether there is a key, even if its file is damaged: then the passphrase is not a new one. */
async function hasKeys(keys: KeyManager): Promise<boolean> {
  try {
    return (await keys.listKeys()).length > 0
  } catch (error) {
    if (isPkiError(error, 'ERR_KEY_STORAGE')) return true
    throw error
  }
}

function issuanceOf(
  read: ReadCaServiceOptions,
  authority: CertificateAuthority,
  receipts: Pick<AuditLog, 'receiptOf'> | undefined,
): ReturnType<typeof createIssuanceService> {
  const { policy, isAdministrator, publishRevocations, keyReuse, audit, lookBackSeconds } = read
  const { logger, metrics, clock } = read
  return createIssuanceService({
    authority,
    ...(policy === undefined ? {} : { policy }),
    ...(receipts === undefined ? {} : { receipts }),
    ...(keyReuse === undefined ? {} : { keyReuse }),
    ...{ isAdministrator, publishRevocations, audit, logger, metrics, clock, lookBackSeconds },
  })
}

/** Closes the opened objects in reverse order. An error of closing must not hide the original error. */
async function closeAfterFailure(opened: readonly AsyncDisposable[]): Promise<void> {
  for (const part of [...opened].reverse()) {
    try {
      await part[Symbol.asyncDispose]()
    } catch {
      // The caller gets the original error.
    }
  }
}

/** Only the leader of several processes adds to the log, so the others cannot make receipts. */
function receiptsOf(log: AuditLog, leadership: Leadership | undefined): Pick<AuditLog, 'receiptOf'> {
  return {
    receiptOf: (entry, signal) =>
      leadership !== undefined && leadership.fence === undefined
        ? Promise.reject(
            new PkiError(
              'ERR_STORE_UNAVAILABLE',
              'another process writes the audit log, and only it gives receipts',
            ),
          )
        : log.receiptOf(entry, signal),
  }
}

/** The options set by the operator, for the audit log, without secrets and functions. */
function configurationOf(read: ReadCaServiceOptions): Record<string, string | number> {
  const { trustDomain, crlTtlSeconds, lookBackSeconds, rootTtlSeconds, issuingTtlSeconds, keyReuse } = read
  const chosen = { crlTtlSeconds, lookBackSeconds, rootTtlSeconds, issuingTtlSeconds, keyReuse }
  const given = Object.entries(chosen).filter(([, value]) => value !== undefined)
  return {
    trustDomain: trustDomain.name,
    policy: read.policy === undefined ? 'default' : 'given',
    keys: read.keys === undefined ? 'files' : 'given',
    ...(Object.fromEntries(given) as Record<string, string | number>),
  }
}

function openFile(directory: string, options: ReadCaServiceOptions): Promise<SqliteStorage> {
  const { trustDomain, acceptEarlierClock = false, clock, workerModule } = options
  return createSqliteStorage({
    path: join(directory, 'ca.sqlite'),
    owner: trustDomain.name,
    ...{ acceptEarlierClock, clock, workerModule },
  })
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw systemError('createCaService cannot make the directory', error, directory)
    throw new PkiError('ERR_STORE_UNAVAILABLE', `${directory} is a file; expected the directory of the CA`)
  }
}

/**
 * Refuses a directory with a published root and an empty store: the records are lost, and with a new CA
 * revoked certificates would be accepted again. @throws ERR_STORE_OWNER
 */
async function requireStore(directory: string, storage: CaStorage): Promise<void> {
  const path = join(directory, 'root.pem')
  if ((await storage.authorities.list()).length > 0) return
  const pem = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw systemError('createCaService', error, path)
  })
  if (pem !== undefined)
    throw new PkiError(
      'ERR_STORE_OWNER',
      `${path} exists, but ca.sqlite has no authority: restore ca.sqlite from a backup, ` +
        'or remove root.pem and audit/ to begin a new CA',
    )
}
