// The storage of a CA in memory: bounded, and lost when the process ends.

import { MemoryBlocks } from '../../blocks/memory-blocks.ts'
import { blocksOfRevoked } from '../../blocks/renewal-blocks.ts'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { otherList, otherVersion, staleFence } from '../../rows/refusals.ts'
import type { CrlStore, PublishCrlOptions, StoredCrl } from '../../crl/crl-store.ts'
import type { AuditStore, SequencedEntry } from '../audit-store.ts'
import type { AuthorityRecord, AuthorityStore, FencedWriteOptions } from '../authority-store.ts'
import type { CaStorage } from '../ca-storage.ts'
import type { KeyIdentifier } from '../certificate-record.ts'
import { checkDates, readFencedOptions, readPublishOptions } from '../store-options.ts'
import { requireLeaseTerms } from '../lease-store.ts'
import type { Fence, Lease, LeaseStore } from '../lease-store.ts'
import { MemoryCertificateStore } from './memory-certificate-store.ts'
import type { MemoryCertificateStoreOptions } from './memory-certificate-store.ts'

/** Options of `createMemoryStorage`. @inline */
export interface MemoryStorageOptions extends MemoryCertificateStoreOptions {
  /** The maximum number of audit entries; more are refused. Default 1,000,000. */
  readonly maxAuditEntries?: number | undefined
}

/**
 * Every store of a CA in memory.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const storage = createMemoryStorage({ maxRecords: 10_000 })
 * ```
 */
export function createMemoryStorage(options: MemoryStorageOptions = {}): CaStorage {
  const { maxAuditEntries = 1_000_000, ...certificateOptions } = readOptions('createMemoryStorage', options, {
    maxRecords: 'optional',
    maxRecordsPerIdentity: 'optional',
    lookBackSeconds: 'optional',
    clock: 'optional',
    maxAuditEntries: 'optional',
  })
  const leases = new MemoryLeases(certificateOptions.clock ?? systemClock)
  const audit = new MemoryAudit(maxAuditEntries, leases)
  const add = (entries: readonly Uint8Array[] | undefined): void => audit.add(entries)
  const blocks = new MemoryBlocks(add)
  const crls = new MemoryCrls(leases, audit)
  const certificates = new MemoryCertificateStore(certificateOptions, add, blocks, (beforeMs, hasRecords) =>
    crls.removeEnded(beforeMs, hasRecords),
  )
  return Object.freeze({
    certificates,
    authorities: new MemoryAuthorities(leases, audit, blocks),
    crls,
    leases,
    audit,
    blocks,
    [Symbol.asyncDispose]: () => certificates[Symbol.asyncDispose](),
  })
}

class MemoryLeases implements LeaseStore {
  readonly #clock: Clock
  readonly #leases = new Map<string, { holder: string; epoch: number; endMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async acquire(name: string, holder: string, ttlMs: number): Promise<Lease | undefined> {
    requireLeaseTerms(name, holder, ttlMs)
    const nowMs = this.#clock.now()
    const held = this.#leases.get(name)
    const isLive = held !== undefined && held.endMs > nowMs
    if (isLive && held.holder !== holder) return undefined
    const epoch = isLive ? held.epoch : (held?.epoch ?? 0) + 1
    this.#leases.set(name, { holder, epoch, endMs: nowMs + ttlMs })
    return Object.freeze({ name, holder, epoch, expiresAt: new Date(nowMs + ttlMs) })
  }

  async release({ name, epoch }: Lease): Promise<void> {
    const held = this.#leases.get(name)
    if (held?.epoch === epoch) this.#leases.set(name, { holder: '', epoch: epoch + 1, endMs: 0 })
  }

  async now(): Promise<Date> {
    return new Date(this.#clock.now())
  }

  /** @throws ERR_LEASE_STALE */
  check(fence: Fence | undefined): void {
    if (fence === undefined) return
    const epoch = this.#leases.get(fence.name)?.epoch
    if (epoch === fence.epoch) return
    throw staleFence(fence, epoch)
  }
}

class MemoryAudit implements AuditStore {
  readonly #maximum: number
  readonly #leases: MemoryLeases
  readonly #sequenced: Uint8Array[] = []
  #pending: Uint8Array[] = []

  constructor(maximum: number, leases: MemoryLeases) {
    this.#maximum = maximum
    this.#leases = leases
  }

  add(entries: readonly Uint8Array[] | undefined): void {
    if (entries === undefined) return
    if (this.#sequenced.length + this.#pending.length + entries.length > this.#maximum)
      throw new PkiError('ERR_STORE_FULL', `the audit log has ${this.#maximum} entries, the maximum`)
    for (const entry of entries) this.#pending.push(Uint8Array.from(entry))
  }

  async append(entries: readonly Uint8Array[]): Promise<void> {
    this.add(entries)
  }

  async sequence(limit: number, fence?: Fence): Promise<readonly SequencedEntry[]> {
    this.#leases.check(fence)
    const start = this.#sequenced.length
    this.#sequenced.push(...this.#pending.slice(0, limit))
    this.#pending = this.#pending.slice(limit)
    return this.read(start, limit)
  }

  async read(index: number, limit: number): Promise<readonly SequencedEntry[]> {
    return this.#sequenced
      .slice(index, index + limit)
      .map((entry, at) => ({ index: index + at, entry: Uint8Array.from(entry) }))
  }

  async size(): Promise<{ readonly sequenced: number; readonly pending: number }> {
    return { sequenced: this.#sequenced.length, pending: this.#pending.length }
  }
}

class MemoryAuthorities implements AuthorityStore {
  readonly #leases: MemoryLeases
  readonly #audit: MemoryAudit
  readonly #blocks: MemoryBlocks
  readonly #records = new Map<string, AuthorityRecord>()

  constructor(leases: MemoryLeases, audit: MemoryAudit, blocks: MemoryBlocks) {
    this.#leases = leases
    this.#audit = audit
    this.#blocks = blocks
  }

  async list(): Promise<readonly AuthorityRecord[]> {
    return [...this.#records.values()].map(copyOfAuthority)
  }

  async update(records: readonly AuthorityRecord[], options?: FencedWriteOptions): Promise<void> {
    const { fence, audit } = readFencedOptions('update', options)
    for (const { since } of records) checkDates('update', { since })
    this.#leases.check(fence)
    for (const { id, version } of records) {
      const stored = this.#records.get(id)?.version ?? 0
      if (version !== stored + 1) throw otherVersion(id, version, stored)
    }
    const revoked = blocksOfRevoked(records)
    this.#audit.add(audit)
    for (const record of records) this.#records.set(record.id, copyOfAuthority(record))
    for (const block of revoked) this.#blocks.put(block)
  }
}

function copyOfAuthority(record: AuthorityRecord): AuthorityRecord {
  return Object.freeze({
    ...record,
    certificate: Uint8Array.from(record.certificate),
    chain: Object.freeze(record.chain.map((der) => Uint8Array.from(der))),
    roots: Object.freeze(record.roots.map((der) => Uint8Array.from(der))),
    since: new Date(record.since),
  })
}

class MemoryCrls implements CrlStore {
  readonly #leases: MemoryLeases
  readonly #audit: MemoryAudit
  readonly #lists = new Map<string, StoredCrl>()

  constructor(leases: MemoryLeases, audit: MemoryAudit) {
    this.#leases = leases
    this.#audit = audit
  }

  async last(issuer: KeyIdentifier, shard: string): Promise<StoredCrl | undefined> {
    const last = this.#lists.get(`${issuer} ${shard}`)
    return last === undefined ? undefined : copyOfCrl(last)
  }

  async publish(crl: StoredCrl, options: PublishCrlOptions): Promise<void> {
    const { expectedNumber, fence, audit } = readPublishOptions(options)
    checkDates('publish', { thisUpdate: crl.thisUpdate, nextUpdate: crl.nextUpdate })
    this.#leases.check(fence)
    const key = `${crl.issuer} ${crl.shard}`
    const last = this.#lists.get(key)?.number
    if (last !== expectedNumber || (last !== undefined && crl.number <= last))
      throw otherList(crl.number, expectedNumber, last)
    this.#audit.add(audit)
    this.#lists.set(key, copyOfCrl(crl))
  }

  async list(): Promise<readonly StoredCrl[]> {
    return [...this.#lists.values()].map(copyOfCrl)
  }

  removeEnded(beforeMs: number, hasRecords: (issuer: KeyIdentifier) => boolean): void {
    for (const [key, { issuer, number, nextUpdate }] of this.#lists)
      if (nextUpdate.getTime() <= beforeMs && Number(number) <= beforeMs && !hasRecords(issuer))
        this.#lists.delete(key)
  }
}

function copyOfCrl(crl: StoredCrl): StoredCrl {
  return Object.freeze({
    ...crl,
    crl: Uint8Array.from(crl.crl),
    thisUpdate: new Date(crl.thisUpdate),
    nextUpdate: new Date(crl.nextUpdate),
  })
}
