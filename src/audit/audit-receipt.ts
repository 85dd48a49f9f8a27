// Receipts: proof that an entry is in the log, verified with only the key of the log.

import { PkiError } from '../errors/index.ts'
import { requireOctets } from '../internal/bytes.ts'
import { nameOf } from '../internal/options.ts'
import { readCheckpoint } from './checkpoint.ts'
import { leafHash, verifyInclusion } from './merkle-tree.ts'
import { requireNoteKey } from './signed-note.ts'
import type { NoteKey } from './signed-note.ts'

/** Proves, with only the key of the log, that an entry is in the log. */
export interface AuditReceipt {
  readonly index: number
  /** The signed checkpoint as text. */
  readonly checkpoint: string
  /** The audit path from the leaf up, 32 octets each. */
  readonly proof: readonly Uint8Array[]
}

/**
 * Verifies by `receipt` that `entry` is in the log of `key`.
 *
 * @throws ERR_NOTE_INVALID the checkpoint is malformed or not signed by `key`; ERR_AUDIT_LOG the proof from
 * the entry does not yield the signed root
 * @example
 * ```ts
 * verifyAuditReceipt(encodeAuditRecord(record), await log.receipt(0), log.key)
 * ```
 */
export function verifyAuditReceipt(
  entry: Uint8Array,
  receipt: AuditReceipt,
  key: NoteKey,
  witnesses: readonly NoteKey[] = [],
): void {
  requireOctets(entry, 'the entry')
  if (!Array.isArray(witnesses))
    throw new PkiError('ERR_INVALID_ARGUMENT', `expected an array of witnesses, found ${nameOf(witnesses)}`)
  for (const one of [key, ...(witnesses as readonly NoteKey[])]) requireNoteKey(one)
  // The receipt comes from the peer, so its type is not certain.
  const { index, proof, checkpoint: note } = Object(receipt) as AuditReceipt
  if (typeof note !== 'string')
    throw new PkiError('ERR_AUDIT_LOG', 'the receipt is malformed: expected a checkpoint of text')
  const checkpoint = readCheckpoint(note, key, witnesses)
  if (!Number.isSafeInteger(index) || index < 0 || !isProof(proof))
    throw new PkiError(
      'ERR_AUDIT_LOG',
      'the receipt is malformed: expected an integer index from 0 on, and at most 64 hashes',
    )
  if (!verifyInclusion({ index, hash: leafHash(entry) }, checkpoint, proof))
    throw new PkiError(
      'ERR_AUDIT_LOG',
      `the receipt does not prove entry ${index} of the log ${checkpoint.origin} at size ${checkpoint.size}`,
    )
}

/** An inclusion proof of a tree of at most 2^64 entries: hashes. */
function isProof(proof: unknown): boolean {
  return Array.isArray(proof) && proof.length <= 64 && proof.every((hash) => hash instanceof Uint8Array)
}
