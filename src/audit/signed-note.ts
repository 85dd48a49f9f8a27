// Signed notes (C2SP signed-note): a text and signatures by named Ed25519 keys.

import { createHash, createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { equalBytes, toHex } from '../internal/bytes.ts'
import { decodeBase64, encodeBase64 } from '../internal/encodings/base64.ts'
import { nameOf } from '../internal/options.ts'
import type { PublicKey } from '../x509/index.ts'
import type { Signer } from '../x509/index.ts'

/** Signature types of signed notes. */
export type NoteSignatureType = 'ed25519' | 'cosignature/v1'

/** A key that verifies notes. */
export interface NoteKey {
  /** The name of the log or witness: not empty, without spaces and plus signs. */
  readonly name: string
  readonly type: NoteSignatureType
  /** The first four octets of SHA-256(name || 0x0A || type || public key). */
  readonly id: Uint8Array
  /** Raw Ed25519, 32 octets. */
  readonly publicKey: Uint8Array
}

/** One signature of a note. */
interface NoteSignature {
  readonly name: string
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

/** A parsed note; its signatures are not verified yet. */
export interface Note {
  /** Ends with a line feed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/**
 * The key of a signer, under the name of a log or witness.
 * @throws ERR_INVALID_ARGUMENT for a name with spaces or `+`, or another algorithm than Ed25519
 */
export function noteKeyOf(name: string, key: PublicKey, type: NoteSignatureType = 'ed25519'): NoteKey {
  if (key.algorithm !== 'Ed25519')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the key of a note must be Ed25519, found ${key.algorithm ?? 'an unknown algorithm'}`,
    )
  return noteKey(name, type, key.subjectPublicKey)
}

/** Requires a key that `parseNoteKey` or the log created. @throws ERR_INVALID_ARGUMENT */
export function requireNoteKey(key: NoteKey): NoteKey {
  const { name, type, id, publicKey } = Object(key) as Partial<NoteKey>
  const isKey =
    typeof name === 'string' &&
    Object.hasOwn(typeOctets, type ?? '') &&
    id instanceof Uint8Array &&
    publicKey instanceof Uint8Array
  if (isKey) return key
  throw new PkiError('ERR_INVALID_ARGUMENT', `expected the key of a log or witness, found ${nameOf(key)}`)
}

/** The key as one line in the format of Go's `note.NewVerifier`: `name+hex key id+base64 of type and key`. */
export function formatNoteKey(key: NoteKey): string {
  const { name, type, id, publicKey } = requireNoteKey(key)
  return `${name}+${toHex(id)}+${encodeBase64(Buffer.concat([Uint8Array.of(typeOctets[type]), publicKey]))}`
}

/** Parses the output of `formatNoteKey`. @throws ERR_NOTE_INVALID */
export function parseNoteKey(line: string): NoteKey {
  if (typeof line !== 'string')
    throw new PkiError('ERR_INVALID_ARGUMENT', `a note key must be a string, found ${nameOf(line)}`)
  const [, name = '', id = '', data = ''] =
    /^([^+\s]{1,256})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,64})$/.exec(line) ?? []
  if (name === '') throw invalid('expected a note key of the form name+8 hexadecimal digits+base64', line)
  const octets = decodeBase64(data)
  const type = (Object.keys(typeOctets) as NoteSignatureType[]).find(
    (known) => typeOctets[known] === octets[0],
  )
  if (type === undefined) throw invalid(`the key type ${octets[0] ?? '(absent)'} is not supported`, line)
  const key = noteKey(name, type, octets.subarray(1))
  if (toHex(key.id) !== id) throw invalid(`the key id is ${toHex(key.id)}, found ${id}`, line)
  return key
}

/** Signs `text`, which must end with a line feed, and returns the whole note. */
export async function signNote(text: string, key: NoteKey, signer: Signer): Promise<string> {
  return `${text}\n${signatureLine(key, await signer.sign(Buffer.from(text)))}`
}

/** One line of a note: em dash, name, base64 of key id and signature. */
export function signatureLine(key: NoteKey, signature: Uint8Array): string {
  return `\u2014 ${key.name} ${encodeBase64(Buffer.concat([key.id, signature]))}\n`
}

/**
 * Splits a note into text and signatures.
 * @throws ERR_NOTE_INVALID malformed, over 64 KiB or 100 signatures
 */
export function parseNote(note: string): Note {
  if (note.length > 65_536)
    throw invalid(`the note has ${note.length} characters; the maximum is 65,536`, note)
  if (/[\u0000-\u0009\u000b-\u001f\u007f\ufffd]/.test(note))
    throw invalid('the note has control characters', note)
  const end = note.lastIndexOf('\n\n')
  if (end < 0 || !note.endsWith('\n'))
    throw invalid('expected a text, an empty line and signature lines', note)
  const lines = note.slice(end + 2, -1).split('\n')
  if (lines.length > 100) throw invalid(`the note has ${lines.length} signatures; the maximum is 100`, note)
  return { text: note.slice(0, end + 1), signatures: lines.map(readSignature) }
}

/** Whether the note has a valid signature by `key`. */
export function isSignedBy(note: Note, key: NoteKey): boolean {
  return note.signatures.some(
    ({ name, keyId, signature }) =>
      name === key.name && equalBytes(keyId, key.id) && verifyNoteSignature(note.text, signature, key),
  )
}

function verifyNoteSignature(text: string, signature: Uint8Array, { type, publicKey }: NoteKey): boolean {
  if (type === 'ed25519') return verify(null, Buffer.from(text), keyObject(publicKey), signature)
  // tlog-cosignature: eight octets of time, then a signature over a header with that time and the text.
  if (signature.length !== 72) return false
  const time = Buffer.from(signature.buffer, signature.byteOffset, 8).readBigUInt64BE()
  return verify(null, cosignedMessage(time, text), keyObject(publicKey), signature.subarray(8))
}

/**
 * The octets that a witness signs (tlog-cosignature): the time in seconds since 1970, and the text of the
 * checkpoint.
 */
export function cosignedMessage(timeSeconds: bigint, text: string): Uint8Array {
  return Buffer.from(`cosignature/v1\ntime ${timeSeconds}\n${text}`)
}

function noteKey(name: string, type: NoteSignatureType, publicKey: Uint8Array): NoteKey {
  if (name === '' || name.length > 256 || /[\s+\u0000-\u001f\u007f]/u.test(name))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'the name of a note key must have 1 to 256 characters and no spaces or plus signs, found ' +
        JSON.stringify(name.slice(0, 64)),
    )
  if (publicKey.length !== 32)
    throw new PkiError('ERR_NOTE_INVALID', `an Ed25519 key has 32 octets, found ${publicKey.length}`)
  const octets = Buffer.concat([Buffer.from(`${name}\n`), Uint8Array.of(typeOctets[type]), publicKey])
  const id = createHash('sha256').update(octets).digest().subarray(0, 4)
  return Object.freeze({ name, type, id: Uint8Array.from(id), publicKey: Uint8Array.from(publicKey) })
}

function readSignature(line: string): NoteSignature {
  const [, name, data] = /^\u2014 ([^\s+]{1,256}) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? []
  if (name === undefined || data === undefined)
    throw invalid('expected a signature line of an em dash, a name and base64', line)
  const octets = decodeBase64(data)
  if (octets.length < 5) throw invalid('the signature has fewer than five octets', line)
  return { name, keyId: octets.subarray(0, 4), signature: octets.subarray(4) }
}

function keyObject(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([ed25519SpkiPrefix, publicKey]), format: 'der', type: 'spki' })
}

function invalid(reason: string, found: string): PkiError {
  return new PkiError('ERR_NOTE_INVALID', `${reason}; found ${JSON.stringify(found.slice(0, 100))}`)
}

const typeOctets: Readonly<Record<NoteSignatureType, number>> = { ed25519: 1, 'cosignature/v1': 4 }
/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410 section 4). */
const ed25519SpkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
