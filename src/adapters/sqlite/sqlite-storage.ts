// The storage of a CA in one SQLite file, in a separate thread.

import { open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  RowReader,
  authorityOfRow,
  authorityValues,
  blockOfRow,
  blockValues,
  blockedSubjectText,
  blocksOfRevoked,
  crlOfRow,
  crlValues,
  oneTimeKey,
  oneTimeValues,
  readMaxOneTimeValues,
  requireLeaseTerms,
  readFencedOptions,
  readPublishOptions,
  readWriteOptions,
} from '../../ca/internal.ts'
import type { RenewalBlockStore, Row } from '../../ca/internal.ts'
import type { OneTimeStore } from '../../auth/index.ts'
import type { AuditStore, AuthorityStore, CaStorage, CrlStore, LeaseStore } from '../../ca/index.ts'
import type { Fence, SequencedEntry } from '../../ca/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { checkCounts, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemReason } from '../../internal/files/system-error.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type { WriteFence } from './messages.ts'
import { SqliteCertificates, auditOf, copied } from './sqlite-certificates.ts'
import { StoreThread } from './store-thread.ts'

/** Options of `createSqliteStorage`. @inline */
export interface SqliteStorageOptions {
  /**
   * The file, on a local disk; its directory must exist. SQLite creates `-wal` in the same directory, and the
   * store creates `-writer`. Nothing else in this process may open the file: closing it would end the lock
   * (POSIX).
   */
  readonly path: string
  /**
   * The CA that the store belongs to, such as its trust domain: written when the store is created, and
   * compared at each opening. Default ''.
   */
  readonly owner?: string
  /**
   * Opens the store even if the clock is more than five minutes before the latest recorded time. Default
   * false.
   */
  readonly acceptEarlierClock?: boolean
  /**
   * Maximum number of waiting calls. Above it intents are refused; above four times the maximum all other
   * calls are refused too. Default 10,000.
   */
  readonly maxQueued?: number | undefined
  /** The maximum size of the file, in octets; writes above it fail as on a full disk. Default: none. */
  readonly maxBytes?: number | undefined
  /** Memory for pages, in octets. Default 64 MiB. */
  readonly cacheBytes?: number | undefined
  /** Maximum number of unused one-time values; more are refused until some expire. Default 1,000,000. */
  readonly maxOneTimeValues?: number | undefined
  readonly clock?: Clock | undefined
  /**
   * A module with the API of `node:sqlite`. Default: that of Node, and `@photostructure/sqlite` on Node 20.
   */
  readonly module?: string | undefined
  /**
   * The module that the thread runs, if it is not the file in the directory of this one: in a bundle, or from
   * source.
   */
  readonly workerModule?: URL | undefined
}

/** Every store of a CA in one file. */
export interface SqliteStorage extends CaStorage {
  readonly blocks: NonNullable<CaStorage['blocks']>
  /**
   * Values for one use, such as join tokens and nonces: each is taken once, also after a crash. A restored
   * backup contains the values that were taken after it was made.
   */
  readonly oneTimeValues: OneTimeStore
  /**
   * Why nothing can be written: ERR_STORE_UNAVAILABLE (disk full, read-only) until a write succeeds again;
   * ERR_STORE_FAILED (I/O error, damaged file, lost thread) until the store is opened again. Undefined while
   * it works.
   */
  readonly failure: PkiError | undefined
  /** The number of calls without a result. */
  readonly pending: number
  /**
   * Copies a snapshot of the store into a new file of mode 0600, while calls continue: a backup. The copy is
   * a separate store, and is not forced to the disk. On Node 22 before 22.16, writes wait for the copy.
   *
   * @throws ERR_STORE_UNAVAILABLE for a file that exists or cannot be written; ERR_STORE_FAILED, ERR_CLOSED
   */
  copyTo(path: string): Promise<void>
}

/**
 * Opens the store of a CA, or creates it. Every write is on the disk before its call resolves; concurrent
 * writes share a commit. Only one process at a time can open it: an operating system lock on the file refuses
 * a second one.
 *
 * @throws ERR_STORE_LOCKED; ERR_STORE_SCHEMA for a newer schema or another program's file; ERR_STORE_OWNER;
 * ERR_STORE_CLOCK; ERR_STORE_UNAVAILABLE; ERR_PEER_NOT_INSTALLED; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * await using sqlite = await createSqliteStorage({ path: 'ca.sqlite', owner: 'example.org' })
 * ```
 */
export async function createSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  const read = readOptions('createSqliteStorage', options, {
    path: 'required',
    owner: 'guard',
    acceptEarlierClock: 'guard',
    maxQueued: 'optional',
    maxBytes: 'optional',
    cacheBytes: 'optional',
    maxOneTimeValues: 'optional',
    clock: 'optional',
    module: 'optional',
    workerModule: 'optional',
  })
  const { owner = '', clock = systemClock, maxBytes, module } = read
  if (typeof read.path !== 'string' || read.path === '' || typeof owner !== 'string')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'createSqliteStorage: path and owner must be strings, and path must not be empty',
    )
  checkCounts({ maxBytes }, 64 * 1024)
  const maxOneTimeValues = readMaxOneTimeValues(read.maxOneTimeValues)
  const thread = await StoreThread.open({
    workerModule: read.workerModule ?? threadModule(),
    maxQueued: requireCount('maxQueued', read.maxQueued ?? 10_000, 1),
    clock,
    setup: {
      path: resolve(read.path),
      owner,
      module,
      maxBytes,
      cacheBytes: requireCount('cacheBytes', read.cacheBytes ?? 64 * 1024 * 1024, 1024 * 1024),
      acceptEarlierClock: read.acceptEarlierClock === true,
      nowMs: clock.now(),
    },
  })
  return Object.freeze({
    certificates: new SqliteCertificates(thread),
    authorities: authorityStore(thread),
    crls: crlStore(thread),
    leases: leaseStore(thread, clock),
    audit: auditStore(thread),
    blocks: blockStore(thread),
    oneTimeValues: oneTimeStore(thread, maxOneTimeValues),
    get failure() {
      return thread.failure
    },
    get pending() {
      return thread.pending
    },
    async copyTo(to: string) {
      const path = resolve(to)
      await createEmptyFile(path)
      try {
        await thread.copyTo(path)
      } catch (error) {
        // A part of a copy must not be taken for a backup.
        await rm(path, { force: true }).catch(() => undefined)
        throw error
      }
    },
    [Symbol.asyncDispose]: () => thread.close(),
  })
}

/** SQLite would create a file that every user can read. @throws ERR_STORE_UNAVAILABLE */
async function createEmptyFile(path: string): Promise<void> {
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (cause) {
    throw new PkiError('ERR_STORE_UNAVAILABLE', `${path} cannot be created: ${systemReason(cause)}`, {
      cause,
    })
  }
}

function threadModule(): URL {
  const built = new URL('./thread/sqlite-worker.js', import.meta.url)
  return import.meta.url.endsWith('.ts') ? new URL('from-source.mjs', built) : built
}

function crlStore(thread: StoreThread): CrlStore {
  return Object.freeze<CrlStore>({
    async last(issuer, shard) {
      const row = await thread.call('lastCrl', issuer, shard)
      return row === null ? undefined : crlOfRow(row)
    },
    async publish(crl, options) {
      const read = readPublishOptions(options)
      const { expectedNumber, fence } = read
      const expected = expectedNumber === undefined ? null : expectedNumber.toString()
      await thread.call('publishCrl', crlValues(crl).map(copied), expected, fenceOf(fence), auditOf(read))
    },
    list: async () => (await thread.call('crls')).map(crlOfRow),
    latestTime: async () => new Date(await thread.call('latestTime')),
  })
}

function authorityStore(thread: StoreThread): AuthorityStore {
  return Object.freeze<AuthorityStore>({
    list: async () => (await thread.call('authorities')).map(authorityOfRow),
    async update(records, options) {
      const read = readFencedOptions('update', options)
      const rows = records.map((record) => authorityValues(record).map(copied))
      const blocks = blocksOfRevoked(records).map(blockValues)
      await thread.call('updateAuthorities', rows, blocks, fenceOf(read.fence), auditOf(read))
    },
  })
}

function leaseStore(thread: StoreThread, clock: Clock): LeaseStore {
  return Object.freeze<LeaseStore>({
    async acquire(name, holder, ttlMs) {
      requireLeaseTerms(name, holder, ttlMs)
      const lease = await thread.call('acquire', name, holder, ttlMs)
      return lease === null
        ? undefined
        : Object.freeze({ name, holder, epoch: lease.epoch, expiresAt: new Date(lease.endMs) })
    },
    async release({ name, epoch }) {
      await thread.call('releaseLease', name, epoch)
    },
    now: async () => new Date(clock.now()),
  })
}

function auditStore(thread: StoreThread): AuditStore {
  return Object.freeze<AuditStore>({
    async append(entries) {
      await thread.call('append', auditOf({ audit: entries }))
    },
    sequence: async (limit, fence) => (await thread.call('sequence', limit, fenceOf(fence))).map(entryOf),
    read: async (index, limit) => (await thread.call('readAudit', index, limit)).map(entryOf),
    size: () => thread.call('auditSize'),
  })
}

function blockStore(thread: StoreThread): RenewalBlockStore {
  return Object.freeze<RenewalBlockStore>({
    async add(block, options) {
      await thread.call('block', blockValues(block), auditOf(readWriteOptions('add', options)))
    },
    async remove(subject, options) {
      const audit = auditOf(readWriteOptions('remove', options))
      return thread.call('unblock', blockedSubjectText(subject), audit)
    },
    list: async () => Object.freeze((await thread.call('blocks')).map(blockOfRow)),
  })
}

function oneTimeStore(thread: StoreThread, maximum: number): OneTimeStore {
  return Object.freeze<OneTimeStore>({
    add: async (key, value, expiresAt) =>
      thread.call('addOneTime', oneTimeValues(key, value, expiresAt), maximum),
    take: async (key) => (await thread.call('takeOneTime', oneTimeKey(key))) ?? undefined,
  })
}

function entryOf(row: Row): SequencedEntry {
  const read = new RowReader('audit_entries', row)
  return { index: read.integer('id') - 1, entry: read.octets('entry') }
}

function fenceOf(fence: Fence | undefined): WriteFence {
  return fence === undefined ? null : { name: fence.name, epoch: fence.epoch }
}
