// Certificates in memory, for tests and for CAs whose records may be lost when the process ends.

import { MemoryBlocks } from '../../blocks/memory-blocks.ts'
import { checkCounts } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
import { systemClock } from '../../../runtime/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { replacesRevocation } from '../../crl/revocation-reason.ts'
import { notOnHold, notRenewable, otherOutcome } from '../../rows/refusals.ts'
import {
  cursorAfter,
  cursorAfterChange,
  readCertificateQuery,
  readRevocationsQuery,
} from '../certificate-query.ts'
import type { QueryOrder, QueryPosition } from '../certificate-query.ts'
import type {
  CertificateId,
  CertificateRecord,
  IssuanceIntent,
  KeyIdentifier,
  Revocation,
} from '../certificate-record.ts'
import type {
  CertificateQuery,
  CertificateStore,
  IssuanceOutcome,
  Page,
  PruneOptions,
  PruneResult,
  RevocationsQuery,
  RevokeOptions,
  RecordedStatus,
  RevokedRecord,
  WriteOptions,
} from '../certificate-store.ts'
import {
  checkDates,
  readPruneOptions,
  readRevocation,
  readRevokeOptions,
  readWriteOptions,
} from '../store-options.ts'
import { ChangeLog } from './memory-indexes.ts'
import { matches, octetsKept, recordOf, revokedRecordOf, statusOfRecord } from './memory-record.ts'
import type { MemoryRecord } from './memory-record.ts'
import { MemoryRecordTable } from './memory-record-table.ts'

/** Options of `MemoryCertificateStore`. */
export interface MemoryCertificateStoreOptions {
  /**
   * The maximum number of records. A new intent above it is refused; records of
   * valid certificates are never dropped. `revoke` may add as many again for
   * certificates without a record. Default 100,000; Infinity for no limit.
   */
  readonly maxRecords?: number | undefined
  /**
   * The maximum number of records of one identity, not counting failed
   * signings. Default a tenth of `maxRecords`, and at least 1.
   */
  readonly maxRecordsPerIdentity?: number | undefined
  /**
   * How long revoked records stay after notAfter, in seconds: at least the lifetime of one CRL. Default 48 h.
   */
  readonly lookBackSeconds?: number | undefined
  readonly clock?: Clock | undefined
}

/** Removes the lists that have ended by `beforeMs`, of issuers that have no records. */
type RemoveLists = (beforeMs: number, hasRecords: (issuer: KeyIdentifier) => boolean) => void

/**
 * A `CertificateStore` in memory, which is lost when the process ends.
 * Expired records are removed automatically.
 */
export class MemoryCertificateStore implements CertificateStore {
  readonly #table: MemoryRecordTable
  readonly #clock: Clock
  readonly #audit: (entries: readonly Uint8Array[] | undefined) => void
  readonly #blocks: MemoryBlocks
  readonly #removeLists: RemoveLists
  readonly #changes = new Map<KeyIdentifier, ChangeLog<MemoryRecord>>()
  #change = 0

  /**
   * `audit` is called with the entries of each write before it happens, and throws if it cannot accept them;
   * `removeLists` at the end of `prune`.
   * @throws ERR_INVALID_ARGUMENT
   */
  constructor(
    options: MemoryCertificateStoreOptions = {},
    audit: (entries: readonly Uint8Array[] | undefined) => void = () => undefined,
    blocks: MemoryBlocks = new MemoryBlocks(audit),
    removeLists: RemoveLists = () => undefined,
  ) {
    const read = readOptions('MemoryCertificateStore', options, {
      maxRecords: 'optional',
      maxRecordsPerIdentity: 'optional',
      lookBackSeconds: 'optional',
      clock: 'optional',
    })
    const { maxRecords = 100_000, lookBackSeconds = 48 * 3600 } = read
    checkCounts({ maxRecords }, 1, Infinity)
    const { maxRecordsPerIdentity = Math.max(1, Math.floor(maxRecords / 10)) } = read
    checkCounts({ maxRecordsPerIdentity }, 1, Infinity)
    checkCounts({ lookBackSeconds }, 0)
    this.#table = new MemoryRecordTable({
      maxRecords,
      maxRecordsPerIdentity,
      lookBackMs: lookBackSeconds * 1000,
    })
    this.#clock = read.clock ?? systemClock
    this.#audit = audit
    this.#blocks = blocks
    this.#removeLists = removeLists
  }

  async recordIntent(intent: IssuanceIntent, options?: WriteOptions): Promise<void> {
    const { audit } = readWriteOptions('recordIntent', options)
    checkDates('recordIntent', { notAfter: intent.notAfter, intendedAt: intent.intendedAt })
    for (const expired of this.#table.takeExpired(this.#clock.now())) this.#forgetChange(expired)
    this.#table.requireAddable(intent)
    this.#requireRenewable(intent.renews)
    this.#blocks.require(intent)
    this.#audit(audit)
    this.#table.addIntent(intent)
  }

  async recordOutcome(id: CertificateId, outcome: IssuanceOutcome, options?: WriteOptions): Promise<void> {
    const { audit } = readWriteOptions('recordOutcome', options)
    const record = this.#table.require(id)
    const certificate = 'certificate' in outcome ? octetsKept(outcome.certificate) : undefined
    const state = certificate === undefined ? 'failed' : 'issued'
    if (record.state === state && record.certificate === certificate) return
    if (record.state !== 'intended') throw otherOutcome(id, record.state, state)
    if (certificate !== undefined) {
      this.#requireRenewable(record.renews)
      this.#blocks.require(record)
    }
    this.#audit(audit)
    if (certificate === undefined) {
      this.#table.fail(record)
      return
    }
    record.state = 'issued'
    record.certificate = certificate
    record.tbs = undefined
  }

  async find(id: CertificateId): Promise<CertificateRecord | undefined> {
    const record = this.#table.get(id)
    return record === undefined ? undefined : recordOf(record)
  }

  async statusOf(id: CertificateId): Promise<RecordedStatus | undefined> {
    const record = this.#table.get(id)
    return record === undefined ? undefined : statusOfRecord(record)
  }

  async revoke(
    id: CertificateId,
    revocation: Revocation,
    options?: RevokeOptions,
  ): Promise<CertificateRecord> {
    const { reason, atMs } = readRevocation(revocation)
    const { unrecorded, audit } = readRevokeOptions(options)
    checkDates('revoke', { notBefore: unrecorded?.notBefore, notAfter: unrecorded?.notAfter })
    const known = unrecorded === undefined ? this.#table.require(id) : this.#table.get(id)
    this.#audit(audit)
    const record = known ?? this.#table.addUnrecorded(id, unrecorded as NonNullable<typeof unrecorded>)
    const before = record.revocation
    if (before !== undefined && !replacesRevocation(before.reason, reason)) return recordOf(record)
    return this.#setRevocation(record, { reason, revokedAtMs: before?.revokedAtMs ?? atMs })
  }

  async release(id: CertificateId, options?: WriteOptions): Promise<CertificateRecord> {
    const { audit } = readWriteOptions('release', options)
    const record = this.#table.require(id)
    if (record.revocation?.reason !== 'certificateHold') throw notOnHold(id)
    this.#audit(audit)
    return this.#setRevocation(record, undefined)
  }

  async revocations(query: RevocationsQuery): Promise<Page<RevokedRecord>> {
    const { issuer, shard, notExpiredAt, limit, position } = readRevocationsQuery(query)
    const items: RevokedRecord[] = []
    let last = position
    for (const record of this.#changes.get(issuer)?.after(position) ?? []) {
      if (items.length === limit) break
      last = record.change
      if (shard !== undefined && shard !== record.shard) continue
      if (record.notAfterMs >= notExpiredAt.getTime()) items.push(revokedRecordOf(record))
    }
    return Object.freeze({ items: Object.freeze(items), next: cursorAfterChange(last) })
  }

  async query(query: CertificateQuery): Promise<Page<CertificateRecord>> {
    const { order, limit, position, ...conditions } = readCertificateQuery(query)
    const found: MemoryRecord[] = []
    for (const record of this.#table.values(conditions)) {
      if (!matches(record, conditions)) continue
      if (position !== undefined && !isAfter(placeOf(record, order), position)) continue
      found.push(record)
      if (order === 'sequence' && found.length > limit) break
    }
    if (order !== 'sequence') found.sort((a, b) => (isAfter(placeOf(a, order), placeOf(b, order)) ? 1 : -1))
    const page = found.slice(0, limit)
    const last = page.at(-1)
    const next =
      found.length > limit && last !== undefined ? cursorAfter(order, placeOf(last, order)) : undefined
    return Object.freeze({ items: Object.freeze(page.map(recordOf)), next })
  }

  async prune(options: PruneOptions): Promise<PruneResult> {
    const { nowMs, lookBackMs } = readPruneOptions(options)
    let lapsed = 0
    let removed = 0
    for (const record of [...this.#table.values()]) {
      const expiredMs = nowMs - (record.notAfterMs + 1000)
      if (expiredMs >= 0 && record.state === 'intended') {
        record.state = 'lapsed'
        lapsed++
      }
      if (expiredMs < lookBackMs) continue
      this.#table.remove(record)
      this.#forgetChange(record)
      removed++
    }
    this.#removeLists(nowMs - 1000 - lookBackMs, (issuer) => this.#table.has(issuer))
    return { lapsed, removed }
  }

  /** Removes all records. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const record of [...this.#table.values()]) this.#table.remove(record)
    this.#changes.clear()
  }

  #requireRenewable(renews: CertificateId | undefined): void {
    if (renews === undefined) return
    const renewed = this.#table.get(renews)
    if (renewed !== undefined && renewed.revocation === undefined) return
    throw notRenewable(renews, renewed === undefined ? 'not recorded' : 'revoked')
  }

  #setRevocation(record: MemoryRecord, revocation: MemoryRecord['revocation']): CertificateRecord {
    let changes = this.#changes.get(record.issuer)
    if (changes === undefined) this.#changes.set(record.issuer, (changes = new ChangeLog()))
    record.revocation = revocation
    changes.move(record, ++this.#change)
    return recordOf(record)
  }

  #forgetChange(record: MemoryRecord): void {
    if (record.change > 0) this.#changes.get(record.issuer)?.remove(record)
  }
}

function placeOf({ sequence, notAfterMs, intendedAtMs }: MemoryRecord, order: QueryOrder): QueryPosition {
  if (order === 'sequence') return { ms: 0, sequence }
  return { ms: order === 'notAfter' ? notAfterMs : intendedAtMs, sequence }
}

function isAfter(place: QueryPosition, other: QueryPosition): boolean {
  return place.ms === other.ms ? place.sequence > other.sequence : place.ms > other.ms
}
