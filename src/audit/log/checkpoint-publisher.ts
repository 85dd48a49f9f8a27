// Publishes checkpoints of the audit log: signed by the log, cosigned by the witnesses that answer.

import type { Logger } from '../../runtime/index.ts'
import type { Signer } from '../../x509/index.ts'
import { checkpointPath, formatCheckpoint, readCheckpoint } from '../checkpoint.ts'
import { consistencyProof, rootHash } from '../merkle-tree.ts'
import { signNote } from '../signed-note.ts'
import type { NoteKey } from '../signed-note.ts'
import { TileReader } from '../tiles.ts'
import type { TileStore } from '../tiles.ts'

/** A witness: checks that this log only grows, and signs its checkpoints. */
export interface AuditWitness {
  readonly key: NoteKey
  /**
   * Returns one signature line (`— name base64`), or throws. `proof` is the consistency proof from the
   * checkpoint of `olderSize` to this one.
   */
  cosign(note: string, olderSize: number, proof: readonly Uint8Array[]): Promise<string>
}

/** The dependencies of publishing checkpoints. */
interface CheckpointSettings {
  readonly origin: string
  readonly signer: Signer
  readonly tiles: TileStore
  readonly witnesses?: readonly AuditWitness[] | undefined
}

/** A published checkpoint: its text and its parsed fields. */
export interface PublishedCheckpoint {
  readonly note: string
  readonly size: number
  readonly root: Uint8Array
}

/** Signs the checkpoints of one log. */
export class CheckpointPublisher {
  readonly #settings: CheckpointSettings
  readonly #key: NoteKey
  readonly #logger: Logger

  constructor(settings: CheckpointSettings, key: NoteKey, logger: Logger) {
    this.#settings = settings
    this.#key = key
    this.#logger = logger
  }

  /** Signs the checkpoint over the tiles of `size` entries and writes it. */
  async publish(olderSize: number, size: number): Promise<PublishedCheckpoint> {
    const { tiles, origin, signer } = this.#settings
    const reader = new TileReader(tiles, size)
    const root = await rootHash(size, reader.subtree)
    const note = await signNote(formatCheckpoint({ origin, size, root }), this.#key, signer)
    const signed = note + (await this.#cosignatures(note, olderSize, reader, size))
    readCheckpoint(signed, this.#key)
    await tiles.write(checkpointPath, Buffer.from(signed))
    return { note: signed, size, root }
  }

  async #cosignatures(note: string, olderSize: number, reader: TileReader, size: number): Promise<string> {
    const { witnesses = [] } = this.#settings
    if (witnesses.length === 0) return ''
    const proof = await consistencyProof(olderSize, size, reader.subtree)
    const lines = await Promise.all(
      witnesses.map(async (witness) => {
        try {
          const line = await witness.cosign(note, olderSize, proof)
          readCheckpoint(note + line, this.#key, [witness.key])
          return line
        } catch (error) {
          const reason = error instanceof Error ? error.message.slice(0, 1024) : 'unknown'
          this.#logger.warn(
            { witness: witness.key.name, size, reason },
            'a witness did not cosign the checkpoint',
          )
          return ''
        }
      }),
    )
    return lines.join('')
  }
}
