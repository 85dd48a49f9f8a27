// The audit log: reads the sequenced entries of the store, adds them to the tiles, and has a checkpoint over
// them published.

import { PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { encodeBase64 } from '../../internal/encodings/base64.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Signer } from '../../x509/index.ts'
import type { AuditReceipt } from '../audit-receipt.ts'
import { checkpointPath, readCheckpoint } from '../checkpoint.ts'
import type { Checkpoint } from '../checkpoint.ts'
import { consistencyProof, inclusionProof, leafHash, rootHash } from '../merkle-tree.ts'
import { noteKeyOf } from '../signed-note.ts'
import type { NoteKey } from '../signed-note.ts'
import { TileReader } from '../tiles.ts'
import type { TileStore } from '../tiles.ts'
import { AwaitedReceipts } from './awaited-receipts.ts'
import { CheckpointPublisher } from './checkpoint-publisher.ts'
import type { AuditWitness, PublishedCheckpoint } from './checkpoint-publisher.ts'
import { TileWriter } from './tile-writer.ts'

/** The part of a storage that the log reads: `CaStorage.audit` implements it. */
export interface AuditSequence {
  /**
   * Assigns the next indexes to at most `limit` entries. `fence` is the lease of the only process that
   * sequences.
   */
  sequence(limit: number, fence?: { readonly name: string; readonly epoch: number }): Promise<unknown>
  /** Sequenced entries from `index` on, at most `limit`. */
  read(
    index: number,
    limit: number,
  ): Promise<readonly { readonly index: number; readonly entry: Uint8Array }[]>
}

/** A record with its index in the log. @inline */
interface AuditLogEntry {
  readonly index: number
  readonly entry: Uint8Array
}

/** Receives the records that the log adds. @inline */
type AuditSink = (entries: readonly AuditLogEntry[]) => void | Promise<void>

/** Options of `openAuditLog`. */
export interface AuditLogOptions {
  /** The name of the log, without spaces: `ca.example.org/audit`. Each checkpoint contains it. */
  readonly origin: string
  /** An Ed25519 key that is used for nothing else. */
  readonly signer: Signer
  readonly entries: AuditSequence
  readonly tiles: TileStore
  /**
   * The witnesses that cosign each checkpoint. If a witness does not answer, that is logged, and the
   * checkpoint is published without its cosignature.
   */
  readonly witnesses?: readonly AuditWitness[] | undefined
  /** Maximum number of entries that are integrated at once. Default 4,096. */
  readonly maxBatch?: number | undefined
  /**
   * Sinks receive each batch of records before the checkpoint over it is signed, in the order of the log: a
   * callback, or `createAuditFile`. After a crash a batch may be delivered twice, with the same indexes. The
   * failure of a sink is logged, and the log continues; no checkpoint is signed until the sinks have settled.
   */
  readonly sinks?: readonly AuditSink[] | undefined
  readonly clock?: Pick<Clock, 'now'> | undefined
  readonly logger?: Logger | undefined
}

/**
 * Opens the log: reads the checkpoint, verifies its signature, and checks that the tiles yield its root.
 *
 * @throws ERR_NOTE_INVALID the checkpoint is not signed by this key; ERR_AUDIT_LOG tiles are missing or yield
 * another root
 */
export async function openAuditLog(given: AuditLogOptions): Promise<AuditLog> {
  const options = readOptions('openAuditLog', given, {
    origin: 'required',
    signer: 'required',
    entries: 'required',
    tiles: 'required',
    witnesses: 'optional',
    sinks: 'optional',
    maxBatch: 'optional',
    clock: 'optional',
    logger: 'optional',
  })
  const key = noteKeyOf(options.origin, options.signer.publicKey)
  const note = await options.tiles.read(checkpointPath)
  const text = note === undefined ? undefined : Buffer.from(note).toString('utf8')
  const checkpoint = text === undefined ? undefined : readCheckpoint(text, key)
  const size = checkpoint?.size ?? 0
  // Refuses a log without its last tiles or entries, before anything is added.
  await TileWriter.open(options.tiles, size)
  const root = await rootHash(size, new TileReader(options.tiles, size).subtree)
  if (checkpoint !== undefined && !equalBytes(root, checkpoint.root)) throw otherRoot(checkpoint, root)
  return new AuditLog(options, key, { note: text ?? '', size, root })
}

/** One log. Only one process at a time adds entries to it. */
export class AuditLog {
  /** Verifies checkpoints of this log: give it to auditors over a separate channel. */
  readonly key: NoteKey
  readonly #options: AuditLogOptions
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'now'>
  readonly #maxBatch: number
  readonly #publisher: CheckpointPublisher
  /** Undefined at first, and after a failure, when the written tiles may differ from the state in memory. */
  #writer: TileWriter | undefined
  #latest: PublishedCheckpoint
  readonly #awaited = new AwaitedReceipts()
  #running: Promise<Checkpoint> | undefined
  #integratedAtMs: number

  /** Use `openAuditLog`. */
  constructor(options: AuditLogOptions, key: NoteKey, latest: PublishedCheckpoint) {
    this.key = key
    this.#options = options
    this.#logger = safeLogger('openAuditLog', options.logger)
    this.#clock = options.clock ?? systemClock
    this.#maxBatch = requireCount('maxBatch', options.maxBatch ?? 4096, 1, 65_536)
    this.#publisher = new CheckpointPublisher(options, key, this.#logger)
    this.#latest = latest
    this.#integratedAtMs = this.#clock.now()
  }

  /** The number of entries covered by the last checkpoint. */
  get size(): number {
    return this.#latest.size
  }

  /** The last signed checkpoint as text; empty before the first. */
  get checkpoint(): string {
    return this.#latest.note
  }

  /** When `integrate` last completed: for health checks of the CA. */
  get integratedAt(): Date {
    return new Date(this.#integratedAtMs)
  }

  /**
   * Adds all durable entries of the store and signs a checkpoint over them. Overlapping calls share one run.
   * Tiles are written before the checkpoint, so the next call repairs the log after a crash in between.
   *
   * @throws ERR_LEASE_STALE another process sequences; ERR_AUDIT_LOG the store has a gap, or is older than
   * the log; the errors of the tile store and the signer
   */
  integrate(fence?: { readonly name: string; readonly epoch: number }): Promise<Checkpoint> {
    this.#running ??= this.#integrate(fence).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #integrate(
    fence: { readonly name: string; readonly epoch: number } | undefined,
  ): Promise<Checkpoint> {
    const older = this.#latest
    const size = await this.#addEntries(fence)
    if (size > older.size || older.note === '') this.#latest = await this.#publisher.publish(older.size, size)
    this.#integratedAtMs = this.#clock.now()
    await this.#awaited.settle(size, (index) => this.receipt(index))
    return { origin: this.#options.origin, size, root: this.#latest.root }
  }

  /** @returns the number of leaves in the tiles */
  async #addEntries(fence: { readonly name: string; readonly epoch: number } | undefined): Promise<number> {
    const { entries } = this.#options
    const writer = this.#writer ?? (await this.#openWriter())
    this.#writer = undefined
    for (;;) {
      await entries.sequence(this.#maxBatch, fence)
      const batch = await entries.read(writer.size, this.#maxBatch)
      if (batch.length === 0) break
      requireNoGap(batch, writer.size)
      await writer.add(batch.map(({ entry }) => entry))
      this.#awaited.placed(batch)
      await this.#tellSinks(batch)
      // Entries that arrived meanwhile are left for the next run; otherwise this run would never end under
      // load.
      if (batch.length < this.#maxBatch) break
    }
    await writer.writeEdges()
    this.#writer = writer
    return writer.size
  }

  /**
   * Called at the start and after a failure. The last signed entry must have the same index in the store: an
   * older store, such as a restored copy, would assign the indexes of signed entries to other entries.
   *
   * @throws ERR_AUDIT_LOG
   */
  async #openWriter(): Promise<TileWriter> {
    const { entries, tiles } = this.#options
    const { size } = this.#latest
    const writer = await TileWriter.open(tiles, size)
    if (size === 0) return writer
    const [last] = await entries.read(size - 1, 1)
    const hash = await new TileReader(tiles, size).subtree(0, size - 1)
    if (last?.index === size - 1 && equalBytes(leafHash(last.entry), hash)) return writer
    throw new PkiError(
      'ERR_AUDIT_LOG',
      `the log has ${size} signed entries, and the store ${last === undefined ? 'no' : 'another'} entry ` +
        `${size - 1}: the store is an older copy, or belongs to another log. Restore the latest store: ` +
        'a log is not extended from a store that has lost records',
    )
  }

  async #tellSinks(batch: readonly AuditLogEntry[]): Promise<void> {
    for (const sink of this.#options.sinks ?? []) {
      try {
        // A copy, so that changes by one sink do not affect another.
        await sink(batch.map(({ index, entry }) => Object.freeze({ index, entry: Uint8Array.from(entry) })))
      } catch (error) {
        const reason = error instanceof Error ? error.message.slice(0, 1024) : 'unknown'
        const { index } = batch[0] as AuditLogEntry
        this.#logger.error({ index, count: batch.length, reason }, 'a sink of the audit log failed')
      }
    }
  }

  /**
   * The proof that entry `index` is in the log.
   *
   * @throws ERR_INVALID_ARGUMENT for an index that no checkpoint covers yet; ERR_AUDIT_LOG
   */
  async receipt(index: number): Promise<AuditReceipt> {
    const { note, size } = this.#latest
    requireCount('index', index, 0, Math.max(0, size - 1))
    if (size === 0) throw new PkiError('ERR_INVALID_ARGUMENT', 'the log has no checkpoint with entries yet')
    const proof = await inclusionProof(index, size, new TileReader(this.#options.tiles, size).subtree)
    return Object.freeze({ index, checkpoint: note, proof: Object.freeze(proof) })
  }

  /**
   * The receipt of an entry that is not in the log yet, as self-contained text (C2SP tlog-proof, with the
   * entry as extra data): `createReceiptChecker` verifies it. Call it before the entry is stored; it resolves
   * when `integrate` has signed a checkpoint over it.
   *
   * @throws ERR_ABORTED
   */
  receiptOf(entry: Uint8Array, signal: AbortSignal): Promise<string> {
    return this.#awaited.of(entry, signal)
  }

  /** The proof that the log of `olderSize` entries is a prefix of the current log. */
  async consistency(olderSize: number): Promise<readonly Uint8Array[]> {
    const size = this.size
    requireCount('olderSize', olderSize, 0, size)
    return consistencyProof(olderSize, size, new TileReader(this.#options.tiles, size).subtree)
  }
}

function requireNoGap(batch: readonly { readonly index: number }[], from: number): void {
  const odd = batch.findIndex(({ index }, i) => index !== from + i)
  if (odd >= 0)
    throw new PkiError(
      'ERR_AUDIT_LOG',
      `the store has audit entry ${batch[odd]?.index} where ${from + odd} was expected`,
    )
}

function otherRoot({ origin, size, root }: Checkpoint, found: Uint8Array): PkiError {
  return new PkiError(
    'ERR_AUDIT_LOG',
    `the tiles of ${origin} have the root ${encodeBase64(found)}; the checkpoint of size ${size} has ` +
      encodeBase64(root),
  )
}
