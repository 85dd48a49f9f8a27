// The entries of one list, encoded: in short runs, so that a change encodes one run again and not the list.

import { PkiError } from '../../errors/index.ts'
import { sortInTurns } from '../../internal/turns/sort-in-turns.ts'
import type { Turns } from '../../internal/turns/turns.ts'
import type { SerialNumber } from '../../x509/index.ts'
import { encodeCrlEntries } from '../../x509/internal.ts'
import type { RevokedCertificate } from '../../x509/internal.ts'
import { lintCrlEntries } from '../lints/crl-lints.ts'
import type { RevocationReason } from './revocation-reason.ts'

/**
 * One revoked certificate. Times in whole seconds since 1970: a list has no fractions, and V8 stores small
 * integers without an object.
 */
export interface ListedEntry {
  readonly serialNumber: SerialNumber
  readonly revocationSeconds: number
  readonly reason: RevocationReason | 'removeFromCRL'
  readonly notAfterSeconds: number
  readonly intendedSeconds: number
  readonly shard: string
  /** Orders entries of one second. */
  readonly sequence: number
  /** The number of runs that contain the entry. */
  uses: number
  /** The number of the last comparison that found the entry in a list. */
  seen: number
}

interface Run {
  readonly entries: readonly ListedEntry[]
  readonly earliestNotAfter: number
  octets: Uint8Array | undefined
}

/** The entries in the order of their revocation. */
export class EntryRuns {
  #runs: Run[] = []
  #count = 0
  #version = 0
  /**
   * The entries changed since the last complete list, each in its first state after that list; undefined if
   * changes are not tracked.
   */
  #changed: Map<SerialNumber, ListedEntry> | undefined

  /** Runs of entries in any order. */
  static async of(entries: readonly ListedEntry[], turns: Turns): Promise<EntryRuns> {
    const runs = new EntryRuns()
    const sorted = await sortInTurns(entries, compare, turns)
    for (let at = 0; at < sorted.length; at += maxRun) {
      runs.#runs.push(runOf(sorted.slice(at, at + maxRun)))
      await turns.give()
    }
    runs.#count = sorted.length
    return runs
  }

  get count(): number {
    return this.#count
  }

  /** A number that changes after each change. */
  get version(): number {
    return this.#version
  }

  /** Starts to record changes in `changed`. */
  trackChanges(): void {
    this.#changed = new Map()
  }

  /** The changes since `trackChanges`: the removed or the added entry. */
  get changed(): ReadonlyMap<SerialNumber, ListedEntry> {
    return this.#changed ?? none
  }

  /** One more change, found by comparing lists. */
  addChanged(entry: ListedEntry): void {
    this.#changed?.set(entry.serialNumber, entry)
  }

  /** Removes entries and adds others. */
  async apply(removed: readonly ListedEntry[], added: readonly ListedEntry[], turns: Turns): Promise<void> {
    if (removed.length + added.length === 0) return
    this.#version++
    for (const entry of removed) this.#changed?.set(entry.serialNumber, entry)
    for (const entry of added)
      if (this.#changed?.has(entry.serialNumber) === false) this.#changed.set(entry.serialNumber, entry)
    const gone = new Set(removed)
    const into = new Map<number, ListedEntry[]>()
    const touch = (entry: ListedEntry): ListedEntry[] => {
      const at = this.#runOf(entry)
      let list = into.get(at)
      if (list === undefined) into.set(at, (list = []))
      return list
    }
    for (const entry of removed) touch(entry)
    for (const entry of added) touch(entry).push(entry)
    // From the last run to the first, so that the indexes of earlier runs do not change.
    for (const at of [...into.keys()].sort((a, b) => b - a)) {
      const there = this.#runs[at]?.entries ?? []
      const kept = removed.length === 0 ? there : there.filter((entry) => !gone.has(entry))
      const merged = [...kept, ...(into.get(at) as ListedEntry[])].sort(compare)
      const isLast = at >= this.#runs.length - 1
      this.#runs.splice(at, this.#runs[at] === undefined ? 0 : 1, ...split(merged, isLast))
      this.#count += merged.length - there.length
      await turns.give()
    }
  }

  /** Removes and returns the entries whose certificates expired before a time. */
  async dropExpired(beforeMs: number, turns: Turns): Promise<readonly ListedEntry[]> {
    const dropped: ListedEntry[] = []
    const isExpired = (notAfterSeconds: number): boolean => notAfterSeconds * 1000 < beforeMs
    for (let at = this.#runs.length - 1; at >= 0; at--) {
      const { entries, earliestNotAfter } = this.#runs[at] as Run
      if (!isExpired(earliestNotAfter)) continue
      const kept = entries.filter(({ notAfterSeconds }) => !isExpired(notAfterSeconds))
      for (const entry of entries) if (isExpired(entry.notAfterSeconds)) dropped.push(entry)
      this.#runs.splice(at, 1, ...split(kept, false))
      await turns.give()
    }
    if (dropped.length === 0) return dropped
    this.#version++
    this.#count -= dropped.length
    for (const { serialNumber } of dropped) this.#changed?.delete(serialNumber)
    return dropped
  }

  /** All entries in their order. */
  *entries(): Generator<ListedEntry> {
    for (const { entries } of this.#runs) yield* entries
  }

  /**
   * The encoded runs. Each is linted when it is encoded, against the entries that it is made from.
   * @throws ERR_LINT
   */
  async encoded(
    { thisUpdateMs, isDelta }: { readonly thisUpdateMs: number; readonly isDelta: boolean },
    turns: Turns,
  ): Promise<readonly Uint8Array[]> {
    const pieces: Uint8Array[] = []
    let before: ListedEntry | undefined
    for (const run of this.#runs) {
      const { entries } = run
      if (before !== undefined && compare(before, entries[0] as ListedEntry) >= 0)
        throw new PkiError('ERR_LINT', 'L45 (RFC 5280 §5.1.2.6): two runs of entries are not in order')
      before = entries.at(-1)
      run.octets ??= encodeRun(entries, thisUpdateMs, isDelta)
      pieces.push(run.octets)
      await turns.give()
    }
    return pieces
  }

  /** The index of the run that contains the entry, or into which it must be inserted. */
  #runOf(entry: ListedEntry): number {
    let low = 0
    let high = this.#runs.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      const last = this.#runs[middle]?.entries.at(-1)
      if (last !== undefined && compare(last, entry) < 0) low = middle + 1
      else high = middle
    }
    return Math.max(0, low)
  }
}

function encodeRun(entries: readonly ListedEntry[], thisUpdateMs: number, isDelta: boolean): Uint8Array {
  const octets = encodeCrlEntries(entries.map(fieldsOf)).slice()
  lintCrlEntries({ octets, entries, thisUpdateMs, isDelta })
  return octets
}

function fieldsOf({ serialNumber, revocationSeconds, reason }: ListedEntry): RevokedCertificate {
  return { serialNumber, revocationDate: new Date(revocationSeconds * 1000), reason }
}

/**
 * Splits entries into full runs and a short one at the end of a list, where most entries are added; elsewhere
 * into runs of equal length.
 */
function split(entries: readonly ListedEntry[], isLast: boolean): Run[] {
  const runs: Run[] = []
  const length = isLast ? maxRun : Math.ceil(entries.length / Math.ceil(entries.length / maxRun))
  for (let at = 0; at < entries.length; at += length) runs.push(runOf(entries.slice(at, at + length)))
  return runs
}

function runOf(entries: readonly ListedEntry[]): Run {
  let earliestNotAfter = Infinity
  for (const { notAfterSeconds } of entries) earliestNotAfter = Math.min(earliestNotAfter, notAfterSeconds)
  return { entries, earliestNotAfter, octets: undefined }
}

function compare(a: ListedEntry, b: ListedEntry): number {
  return a.revocationSeconds - b.revocationSeconds || a.sequence - b.sequence
}

/** The encoded run has about 50 KiB. */
const maxRun = 1024
const none: ReadonlyMap<SerialNumber, ListedEntry> = new Map()
