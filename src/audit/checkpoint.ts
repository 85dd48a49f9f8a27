// Checkpoints (C2SP tlog-checkpoint): the size and the root hash of a log, as the text of a signed note.

import { PkiError } from '../errors/index.ts'
import { decodeBase64, encodeBase64 } from '../internal/encodings/base64.ts'
import { hashLength } from './merkle-tree.ts'
import { isSignedBy, parseNote } from './signed-note.ts'
import type { NoteKey } from './signed-note.ts'

/** The state of a log at a point in time. */
export interface Checkpoint {
  /** The name of the log, without spaces, such as `ca.example.org/audit`. */
  readonly origin: string
  /** The number of entries. */
  readonly size: number
  /** The Merkle root of the entries (RFC 6962 section 2.1), 32 octets. */
  readonly root: Uint8Array
}

/** The path of the checkpoint in the tile store. */
export const checkpointPath = 'checkpoint'

/** The text that is signed. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`
}

/**
 * Reads a checkpoint that `key` signed, and that each of `witnesses` cosigned.
 *
 * @throws ERR_NOTE_INVALID malformed, of another origin than the key's name,
 *   not signed by `key`, a cosignature missing
 */
export function readCheckpoint(note: string, key: NoteKey, witnesses: readonly NoteKey[] = []): Checkpoint {
  const parsed = parseNote(note)
  const checkpoint = parseCheckpoint(parsed.text)
  if (checkpoint.origin !== key.name)
    throw invalid(
      `the checkpoint is of ${JSON.stringify(checkpoint.origin)}, expected ${JSON.stringify(key.name)}`,
    )
  for (const { name, ...rest } of [key, ...witnesses]) {
    if (!isSignedBy(parsed, { name, ...rest }))
      throw invalid(
        `the checkpoint of ${checkpoint.origin}, size ${checkpoint.size}, has no valid signature by ${name}`,
      )
  }
  return checkpoint
}

function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', digits = '', hash = ''] = text.split('\n')
  const size = Number(digits)
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(digits) || !Number.isSafeInteger(size))
    throw invalid(
      `a checkpoint must begin with an origin and a size, found ${JSON.stringify(text.slice(0, 100))}`,
    )
  const root = decodeBase64(hash)
  if (root.length !== hashLength)
    throw invalid(`the root hash of the checkpoint has ${root.length} octets, expected ${hashLength}`)
  return Object.freeze({ origin, size, root })
}

function invalid(reason: string): PkiError {
  return new PkiError('ERR_NOTE_INVALID', reason)
}
