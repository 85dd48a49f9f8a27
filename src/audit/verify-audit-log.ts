// Verifies a whole log: its checkpoint, its tiles, its entries, and that store and log agree.

import { equalBytes, toHex } from '../internal/bytes.ts'
import { isPkiError } from '../errors/index.ts'
import { readOptions } from '../internal/options.ts'
import type { AuditSequence } from './log/audit-log.ts'
import { decodeAuditRecord } from './audit-record.ts'
import type { AuditRecord } from './audit-record.ts'
import { checkpointPath, readCheckpoint } from './checkpoint.ts'
import type { Checkpoint } from './checkpoint.ts'
import { leafHash, parentHashes, rootHash } from './merkle-tree.ts'
import type { NoteKey } from './signed-note.ts'
import { TileReader, tileWidth } from './tiles.ts'
import type { TileStore } from './tiles.ts'

/** One fault in the log. */
interface AuditFinding {
  /**
   * - `checkpoint`: absent, malformed, not signed, or with fewer entries than an earlier checkpoint
   * - `changed`: the entry at this index is not the one that was hashed
   * - `reordered`: the store has an entry of the log at another index
   * - `missing`: a tile, a bundle or an entry does not exist
   * - `not-in-log`: the store has a certificate without a record in the log
   */
  readonly kind: 'checkpoint' | 'changed' | 'reordered' | 'missing' | 'not-in-log'
  /** The index of the entry, if the finding concerns an entry. */
  readonly index?: number | undefined
  readonly message: string
}

/** Options of `verifyAuditLog`. */
export interface VerifyAuditLogOptions {
  readonly tiles: Pick<TileStore, 'read'>
  /** The key of the log, which the auditor obtained over a separate channel. */
  readonly key: NoteKey
  /** Witnesses that must have cosigned the checkpoint. */
  readonly witnesses?: readonly NoteKey[]
  /** An earlier checkpoint, or its signed text: the log must have grown from it. */
  readonly seen?: Pick<Checkpoint, 'size' | 'root'> | string
  /** The store, which must have the same entries. */
  readonly entries?: Pick<AuditSequence, 'read'>
  /** Certificates of the store, each of which must have a record in the log. */
  readonly certificates?: AsyncIterable<{ readonly issuer: string; readonly serialNumber: string }>
  /** Maximum number of findings kept; further ones are counted. Default 1,000. */
  readonly maxFindings?: number | undefined
}

/** The result of a verification. */
export interface AuditReport {
  readonly ok: boolean
  readonly size: number
  readonly findings: readonly AuditFinding[]
  /** The number of all findings, including those not kept. */
  readonly count: number
}

/**
 * Reads the whole log once. Uses 32 octets of memory per entry, plus the keys of certificates if they are
 * compared.
 */
export async function verifyAuditLog(given: VerifyAuditLogOptions): Promise<AuditReport> {
  const options = readOptions('verifyAuditLog', given, {
    tiles: 'required',
    key: 'required',
    witnesses: 'guard',
    seen: 'guard',
    entries: 'guard',
    certificates: 'guard',
    maxFindings: 'optional',
  })
  const findings = new Findings(options.maxFindings ?? 1000)
  const checkpoint = await readSignedCheckpoint(options, findings)
  if (checkpoint === undefined) return findings.report(0)
  const leaves = await readLeaves(options.tiles, checkpoint, findings)
  await compareRoots(checkpoint, readSeen(options, findings), leaves.hashes, findings)
  if (options.entries !== undefined) await compareStore(options.entries, leaves.hashes, findings)
  if (options.certificates !== undefined)
    for await (const { issuer, serialNumber } of options.certificates)
      if (!leaves.certificates.has(`${issuer} ${serialNumber}`))
        findings.add({
          kind: 'not-in-log',
          message: `the certificate ${serialNumber} of issuer ${issuer} has no record in the log`,
        })
  return findings.report(checkpoint.size)
}

/** A checkpoint that is not signed by the key of the log is a finding, and none of its content is used. */
function readSeen(
  { seen, key }: VerifyAuditLogOptions,
  findings: Findings,
): Pick<Checkpoint, 'size' | 'root'> | undefined {
  if (typeof seen !== 'string') return seen
  try {
    return readCheckpoint(seen, key)
  } catch (error) {
    findings.add({ kind: 'checkpoint', message: `the earlier checkpoint: ${messageOf(error)}` })
    return undefined
  }
}

async function readSignedCheckpoint(
  { tiles, key, witnesses }: VerifyAuditLogOptions,
  findings: Findings,
): Promise<Checkpoint | undefined> {
  const note = await tiles.read(checkpointPath)
  if (note === undefined) {
    findings.add({ kind: 'checkpoint', message: 'the log has no checkpoint' })
    return undefined
  }
  try {
    return readCheckpoint(Buffer.from(note).toString('utf8'), key, witnesses)
  } catch (error) {
    findings.add({ kind: 'checkpoint', message: messageOf(error) })
    return undefined
  }
}

/**
 * Computes the hash of each entry in its bundle. If it differs from the hash in the tile, the entry was
 * changed later.
 */
async function readLeaves(
  tiles: Pick<TileStore, 'read'>,
  { size }: Checkpoint,
  findings: Findings,
): Promise<{ hashes: (Uint8Array | undefined)[]; certificates: Set<string> }> {
  const reader = new TileReader(tiles, size)
  const hashes: (Uint8Array | undefined)[] = []
  const certificates = new Set<string>()
  for (let bundle = 0; bundle * tileWidth < size; bundle++) {
    const first = bundle * tileWidth
    const width = Math.min(tileWidth, size - first)
    const entries = await attempt(() => reader.entries(bundle), first, findings)
    const tile = await attempt(() => reader.tile(0, bundle), first, findings)
    for (let i = 0; i < width; i++) {
      const index = first + i
      const entry = entries?.[i]
      const expected = tile?.slice(i * 32, (i + 1) * 32)
      const found = entry === undefined ? undefined : leafHash(entry)
      if (found !== undefined && expected !== undefined && !equalBytes(found, expected))
        findings.add({
          kind: 'changed',
          index,
          message: `entry ${index} does not have the hash in its tile`,
        })
      hashes.push(found ?? expected)
      if (entry !== undefined) noteCertificate(entry, index, certificates, findings)
    }
  }
  return { hashes, certificates }
}

function noteCertificate(
  entry: Uint8Array,
  index: number,
  certificates: Set<string>,
  findings: Findings,
): void {
  let record: AuditRecord
  try {
    record = decodeAuditRecord(entry)
  } catch (error) {
    findings.add({
      kind: 'changed',
      index,
      message: `entry ${index} is not an audit record: ${messageOf(error)}`,
    })
    return
  }
  if (record.issuer !== undefined && record.serialNumber !== undefined)
    certificates.add(`${record.issuer} ${record.serialNumber}`)
}

/**
 * Computes the root over the entries themselves, which detects tiles that were changed together with their
 * entries.
 */
async function compareRoots(
  checkpoint: Checkpoint,
  seen: Pick<Checkpoint, 'size' | 'root'> | undefined,
  hashes: readonly (Uint8Array | undefined)[],
  findings: Findings,
): Promise<void> {
  if (hashes.includes(undefined)) return
  const subtree = subtreesOf(hashes as readonly Uint8Array[])
  if (!equalBytes(await rootHash(checkpoint.size, subtree), checkpoint.root))
    findings.add({
      kind: 'changed',
      message: `the ${checkpoint.size} entries do not have the signed root hash`,
    })
  if (seen === undefined || seen.size === 0) return
  if (seen.size > checkpoint.size)
    findings.add({
      kind: 'checkpoint',
      message: `the log has ${checkpoint.size} entries; an earlier checkpoint has ${seen.size}`,
    })
  else if (!equalBytes(await rootHash(seen.size, subtree), seen.root))
    findings.add({
      kind: 'changed',
      message: `the first ${seen.size} entries do not have the root hash of the earlier checkpoint`,
    })
}

async function compareStore(
  store: Pick<AuditSequence, 'read'>,
  hashes: readonly (Uint8Array | undefined)[],
  findings: Findings,
): Promise<void> {
  const places = new Map(hashes.flatMap((hash, i) => (hash === undefined ? [] : [[toHex(hash), i] as const])))
  let next = 0
  while (next < hashes.length) {
    const batch = await store.read(next, Math.min(1024, hashes.length - next))
    if (batch.length === 0) {
      findings.add({ kind: 'missing', index: next, message: `the store ends before entry ${next}` })
      return
    }
    for (const { index, entry } of batch) {
      for (; next < index && next < hashes.length; next++)
        findings.add({ kind: 'missing', index: next, message: `entry ${next} is not in the store` })
      const found = leafHash(entry)
      const expected = hashes[index]
      next = index + 1
      if (expected === undefined || equalBytes(found, expected)) continue
      const place = places.get(toHex(found))
      if (place === undefined)
        findings.add({
          kind: 'changed',
          index,
          message: `entry ${index} of the store differs from the entry in the log`,
        })
      else
        findings.add({
          kind: 'reordered',
          index,
          message: `entry ${index} of the store is in the log at index ${place}`,
        })
    }
  }
}

/** Subtree hashes by level, computed on demand. */
function subtreesOf(leaves: readonly Uint8Array[]): (level: number, index: number) => Promise<Uint8Array> {
  const levels: Uint8Array[][] = [leaves as Uint8Array[]]
  return (level, index) => {
    for (let next = levels.length; next <= level; next++)
      levels.push(parentHashes(levels[next - 1] as Uint8Array[]))
    return Promise.resolve(levels[level]?.[index] as Uint8Array)
  }
}

async function attempt<T>(read: () => Promise<T>, index: number, findings: Findings): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!isPkiError(error, 'ERR_AUDIT_LOG')) throw error
    findings.add({ kind: 'missing', index, message: error.message })
    return undefined
  }
}

class Findings {
  readonly #kept: AuditFinding[] = []
  readonly #maximum: number
  #count = 0

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  add(finding: AuditFinding): void {
    this.#count++
    if (this.#kept.length < this.#maximum) this.#kept.push(Object.freeze(finding))
  }

  report(size: number): AuditReport {
    return Object.freeze({
      ok: this.#count === 0,
      size,
      findings: Object.freeze(this.#kept),
      count: this.#count,
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
