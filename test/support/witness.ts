// A witness of an audit log in memory: cosigns what continues the last checkpoint that it saw.

import type { AuditWitness } from '../../src/audit/index.ts'
import { readCheckpoint } from '../../src/audit/internal.ts'
import { verifyConsistency } from '../../src/audit/merkle-tree.ts'
import { cosignedMessage, noteKeyOf, signatureLine } from '../../src/audit/signed-note.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'

type NoteKey = AuditWitness['key']

const witnessSigner = await SoftwareSigner.generate('Ed25519')

/** Every check of `MemoryWitness`, as methods that a broken witness replaces. */
export class MemoryWitness implements AuditWitness {
  readonly key: NoteKey = noteKeyOf('witness.example', witnessSigner.publicKey, 'cosignature/v1')
  protected readonly log: NoteKey
  #seen: { readonly size: number; readonly root: Uint8Array } = { size: 0, root: new Uint8Array(32) }

  constructor(log: NoteKey) {
    this.log = log
  }

  async cosign(note: string, olderSize: number, proof: readonly Uint8Array[]): Promise<string> {
    const checkpoint = this.read(note)
    if (!this.continues(this.#seen, checkpoint, olderSize, proof)) throw new Error('not a continuation')
    const turn = this.beforeKeeping()
    if (turn !== undefined) await turn
    this.#seen = checkpoint
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(1_800_000_000n)
    const text = note.slice(0, note.lastIndexOf('\n\n') + 1)
    const signature = await witnessSigner.sign(cosignedMessage(1_800_000_000n, text))
    return signatureLine(this.key, Buffer.concat([time, signature]))
  }

  protected read(note: string): { readonly size: number; readonly root: Uint8Array } {
    return readCheckpoint(note, this.log)
  }

  protected continues(
    seen: { readonly size: number; readonly root: Uint8Array },
    checkpoint: { readonly size: number; readonly root: Uint8Array },
    olderSize: number,
    proof: readonly Uint8Array[],
  ): boolean {
    return olderSize === seen.size && verifyConsistency(seen, checkpoint, proof)
  }

  /** Nothing to wait for: the check and the change of the state are one step. */
  protected beforeKeeping(): void | Promise<void> {}
}
