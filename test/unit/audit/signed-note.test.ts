// Signed notes: what is written is read, and nothing else.

import { sign } from 'node:crypto'
import { expect, it } from 'vitest'
import {
  cosignedMessage,
  formatNoteKey,
  isSignedBy,
  noteKeyOf,
  parseNote,
  parseNoteKey,
  signNote,
  signatureLine,
} from '../../../src/audit/signed-note.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { generateKeyPairSync } from 'node:crypto'
import { PublicKey } from '../../../src/x509/index.ts'

const signer = await SoftwareSigner.generate('Ed25519')
const key = noteKeyOf('ca.example.org/audit', signer.publicKey)

it('a note that was signed verifies, with the key as its line gives it', async () => {
  const note = parseNote(await signNote('first\n\nsecond\n', key, signer))
  expect(note.text).toBe('first\n\nsecond\n')
  expect(isSignedBy(note, parseNoteKey(formatNoteKey(key)))).toBe(true)
})

it('another text, name or key does not verify', async () => {
  const note = parseNote(await signNote('text\n', key, signer))
  const other = await SoftwareSigner.generate('Ed25519')
  expect(isSignedBy({ ...note, text: 'Text\n' }, key)).toBe(false)
  expect(isSignedBy(note, noteKeyOf('ca.example.org/other', signer.publicKey))).toBe(false)
  expect(isSignedBy(note, noteKeyOf('ca.example.org/audit', other.publicKey))).toBe(false)
})

it('a cosignature has its time under the signature', () => {
  const pair = generateKeyPairSync('ed25519')
  const witness = noteKeyOf('witness.example', PublicKey.from(pair.publicKey), 'cosignature/v1')
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(1_700_000_000n)
  const signature = sign(null, cosignedMessage(1_700_000_000n, 'text\n'), pair.privateKey)
  const line = signatureLine(witness, Buffer.concat([time, signature]))
  expect(isSignedBy(parseNote(`text\n\n${line}`), witness)).toBe(true)
  time.writeBigUInt64BE(1_700_000_001n)
  const later = signatureLine(witness, Buffer.concat([time, signature]))
  expect(isSignedBy(parseNote(`text\n\n${later}`), witness)).toBe(false)
  const short = signatureLine(witness, signature)
  expect(isSignedBy(parseNote(`text\n\n${short}`), witness)).toBe(false)
})

it.each([
  ['no empty line', 'text\n\u2014 a AAAAAAA=\n'],
  ['no line feed at the end', 'text\n\n\u2014 a AAAAAAA='],
  ['no signature', 'text\n\n'],
  ['a hyphen for the dash', 'text\n\n- a AAAAAAA=\n'],
  ['a name with a plus', 'text\n\n\u2014 a+b AAAAAAA=\n'],
  ['a signature without octets', 'text\n\n\u2014 a AAAAAA==\n'],
  ['a control character', 'te\u0000xt\n\n\u2014 a AAAAAAA=\n'],
  ['too long', `${'x'.repeat(65_536)}\n\n\u2014 a AAAAAAA=\n`],
  ['too many signatures', `text\n\n${'\u2014 a AAAAAAA=\n'.repeat(101)}`],
])('refuses a note with %s', (_what, note) => {
  expect(() => parseNote(note)).toThrow(expect.objectContaining({ code: 'ERR_NOTE_INVALID' }))
})

it.each(['', 'name', 'name+00000000+AQ==', `${formatNoteKey(key).slice(0, -4)}AAAA`, 'a b+00000000+AQ=='])(
  'refuses the key %j',
  (line) => {
    expect(() => parseNoteKey(line)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(NOTE_INVALID|BASE64)$/) }),
    )
  },
)

it('takes Ed25519 alone, and names without spaces', async () => {
  const p256 = await SoftwareSigner.generate('P-256')
  expect(() => noteKeyOf('a', p256.publicKey)).toThrow(/must be Ed25519, found P-256/)
  for (const name of ['', 'a b', 'a+b', 'a\n'])
    expect(() => noteKeyOf(name, signer.publicKey)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
})
