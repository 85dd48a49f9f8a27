// The revocations of one issuer as its lists have them, continued from the store's last change.

import type { Turns } from '../../internal/turns/turns.ts'
import type { SerialNumber } from '../../x509/index.ts'
import type { KeyIdentifier } from '../records/certificate-record.ts'
import type { CertificateStore, RevokedRecord } from '../records/certificate-store.ts'
import { completeList } from './crl-shards.ts'
import { EntryRuns } from './entry-runs.ts'
import type { ListedEntry } from './entry-runs.ts'

/** Reads each change of the store once, and keeps the entries of every requested list. */
export class RevocationTable {
  readonly #store: CertificateStore
  readonly #issuer: KeyIdentifier
  /** Many small maps, because one large map would grow in steps that block the event loop. */
  #entries: Map<SerialNumber, ListedEntry>[] = emptyMaps()
  #runs = new Map<string, EntryRuns>()
  readonly #shards = new Set<string>()
  /**
   * Records whose revocation is in the future by the local clock; they are listed with the current time until
   * then.
   */
  readonly #early = new Map<SerialNumber, RevokedRecord>()
  #cursor: string | undefined
  #notExpiredMs = Infinity
  #sequence = 0

  constructor(store: CertificateStore, issuer: KeyIdentifier) {
    this.#store = store
    this.#issuer = issuer
  }

  /** The shards that revoked certificates belong to. */
  get shards(): ReadonlySet<string> {
    return this.#shards
  }

  /**
   * Reads the changes since the last call; returns the time after the last answer of the store. A certificate
   * whose revocation has a later time counts as revoked from that returned time, because the clocks of
   * several machines differ.
   */
  async update(notExpiredMs: number, now: () => number, turns: Turns): Promise<number> {
    if (notExpiredMs < this.#notExpiredMs) {
      this.forget()
      this.#notExpiredMs = notExpiredMs
    }
    const notExpiredAt = new Date(notExpiredMs)
    for (;;) {
      const query = { issuer: this.#issuer, notExpiredAt, limit: pageSize }
      const { items, next } = await this.#store.revocations(
        this.#cursor === undefined ? query : { ...query, after: this.#cursor },
      )
      // After the answer: while it was on its way certificates were issued and revoked.
      const nowMs = now()
      await this.#apply(items, nowMs, turns)
      this.#cursor = next ?? this.#cursor
      if (items.length === 0 || next === undefined) {
        await this.#applyEarly(nowMs, turns)
        return nowMs
      }
      await turns.give()
    }
  }

  find(serialNumber: SerialNumber): ListedEntry | undefined {
    return this.#mapOf(serialNumber).get(serialNumber)
  }

  /** The entries of one list. */
  async runsOf(shard: string, turns: Turns): Promise<EntryRuns> {
    const known = this.#runs.get(shard)
    if (known !== undefined) return known
    const entries: ListedEntry[] = []
    for (const map of this.#entries) {
      for (const entry of map.values()) if (isOf(entry, shard)) entries.push(entry)
      await turns.give()
    }
    for (const entry of entries) entry.uses++
    const runs = await EntryRuns.of(entries, turns)
    this.#runs.set(shard, runs)
    return runs
  }

  /**
   * Removes certificates that expired before a time from one list; those that are on no other list are
   * removed from the table.
   */
  async dropExpired(runs: EntryRuns, beforeMs: number, turns: Turns): Promise<void> {
    for (const entry of await runs.dropExpired(beforeMs, turns))
      if (--entry.uses === 0 && this.find(entry.serialNumber) === entry)
        this.#mapOf(entry.serialNumber).delete(entry.serialNumber)
  }

  /** There may be as many as in a whole list, if the clock of a machine is ahead. */
  async #applyEarly(nowMs: number, turns: Turns): Promise<void> {
    const early = [...this.#early.values()]
    for (let at = 0; at < early.length; at += pageSize) {
      await this.#apply(early.slice(at, at + pageSize), nowMs, turns)
      await turns.give()
    }
  }

  async #apply(items: readonly RevokedRecord[], nowMs: number, turns: Turns): Promise<void> {
    const removed: ListedEntry[] = []
    const added: ListedEntry[] = []
    for (const record of items) {
      const { serialNumber, shard } = record
      const map = this.#mapOf(serialNumber)
      const before = map.get(serialNumber)
      const entry = this.#entryOf(record, nowMs)
      if (entry !== undefined && isEarly(record, nowMs)) this.#early.set(serialNumber, record)
      else this.#early.delete(serialNumber)
      if (before !== undefined && entry !== undefined && isSame(before, entry)) continue
      if (before !== undefined) removed.push(before)
      if (entry === undefined) map.delete(serialNumber)
      else {
        map.set(serialNumber, entry)
        added.push(entry)
        this.#shards.add(shard)
      }
    }
    for (const [shard, runs] of this.#runs) {
      const coming = added.filter((entry) => isOf(entry, shard))
      for (const entry of coming) entry.uses++
      const leaving = removed.filter((entry) => isOf(entry, shard))
      await runs.apply(leaving, coming, turns)
    }
  }

  #entryOf({ serialNumber, shard, ...record }: RevokedRecord, nowMs: number): ListedEntry | undefined {
    const { revocation, notAfter, intendedAt } = record
    if (revocation === undefined) return undefined
    const revokedMs = Math.min(Math.max(revocation.revokedAt.getTime(), intendedAt.getTime()), nowMs)
    return {
      serialNumber,
      revocationSeconds: Math.floor(revokedMs / 1000),
      reason: revocation.reason,
      notAfterSeconds: Math.floor(notAfter.getTime() / 1000),
      intendedSeconds: Math.floor(intendedAt.getTime() / 1000),
      shard,
      sequence: ++this.#sequence,
      uses: 0,
      seen: 0,
    }
  }

  #mapOf(serialNumber: SerialNumber): Map<SerialNumber, ListedEntry> {
    const { length } = serialNumber
    const at = (serialNumber.charCodeAt(length - 1) & 31) * 32 + (serialNumber.charCodeAt(length - 2) & 31)
    return this.#entries[at] as Map<SerialNumber, ListedEntry>
  }

  /** Makes the next `update` read everything again, with the dates that the clock then allows. */
  forget(): void {
    this.#entries = emptyMaps()
    this.#runs = new Map()
    this.#early.clear()
    this.#cursor = undefined
  }
}

/** Whether a certificate is on the list of a shard. */
export function isOf(entry: ListedEntry, shard: string): boolean {
  return shard === completeList || entry.shard === shard
}

function isEarly({ revocation, intendedAt }: RevokedRecord, nowMs: number): boolean {
  return Math.max(revocation?.revokedAt.getTime() ?? 0, intendedAt.getTime()) > nowMs
}

function isSame(a: ListedEntry, b: ListedEntry): boolean {
  return a.reason === b.reason && a.revocationSeconds === b.revocationSeconds
}

function emptyMaps(): Map<SerialNumber, ListedEntry>[] {
  return Array.from({ length: 1024 }, () => new Map<SerialNumber, ListedEntry>())
}

/** Small enough that a page is processed within one time slice. */
const pageSize = 1000
