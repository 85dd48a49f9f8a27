// Key files that somebody else wrote to: what stands above a key is believed only under the passphrase.

import {
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { decodeOnePem, encodePem } from '../../src/internal/pem.ts'
import { code } from '../support/codes.ts'
import { temporaryFolders } from '../support/temporary.ts'

const passphrase = 'a passphrase that nobody sees'
const open = (directory: string, secret = passphrase) =>
  FileKeyManager.open({ directory, passphrase: () => secret })
const newFolder = temporaryFolders('tampered-')
const fresh = (): string => join(newFolder(), 'keys')

async function written(
  algorithm: KeyAlgorithm = 'RSA-2048',
): Promise<{ readonly directory: string; readonly file: string }> {
  const directory = fresh()
  await using keys = await open(directory)
  await keys.generateKey('ca', algorithm)
  return { directory, file: join(directory, 'ca', '1.pem') }
}

const label = 'ENCRYPTED PRIVATE KEY'
const change =
  (from: string | RegExp, to: string) =>
  (text: string): string =>
    text.replace(from, to)
/** One octet of the DER, from its end. */
const flipped =
  (fromEnd: number) =>
  (text: string): string => {
    const der = Buffer.from(decodeOnePem(text, [label]))
    der[der.length - fromEnd]! ^= 0x80
    return text.slice(0, text.indexOf('-----BEGIN')) + encodePem(label, der)
  }

describe('a key file', () => {
  it.each<[string, string, (text: string) => string]>([
    ['its algorithm is another way to sign', 'ERR_KEY_STORAGE', change('RSA-2048', 'RSA-PSS-2048')],
    ['its algorithm is another size', 'ERR_KEY_STORAGE', change('RSA-2048', 'RSA-4096')],
    ['its algorithm is of another kind', 'ERR_KEY_STORAGE', change('RSA-2048', 'Ed25519')],
    ['its algorithm is none', 'ERR_KEY_STORAGE', change('RSA-2048', 'constructor')],
    ['its time is another', 'ERR_KEY_STORAGE', change(/created: \d{4}/, 'created: 2020')],
    ['its time is spelt otherwise', 'ERR_KEY_STORAGE', change(/(created: \S+?)\.\d+Z/, '$1Z')],
    [
      'its MAC is another',
      'ERR_KEY_STORAGE',
      (text) => text.replace(/mac: ./, (found) => (found.endsWith('A') ? 'mac: B' : 'mac: A')),
    ],
    ['its MAC is short', 'ERR_KEY_STORAGE', change(/mac: .{4}/, 'mac: ')],
    ['it has no MAC', 'ERR_KEY_STORAGE', change(/mac: .*\n/, '')],
    ['it has a line more', 'ERR_KEY_STORAGE', change('-----BEGIN', 'note: none\n-----BEGIN')],
    ['it has text after its end', 'ERR_KEY_STORAGE', (text) => `${text}algorithm: RSA-PSS-2048\n`],
    ['its lines end otherwise', 'ERR_KEY_STORAGE', (text) => text.replaceAll('\n', '\r\n')],
    [
      'its key is on longer lines',
      'ERR_KEY_STORAGE',
      (text) =>
        text.slice(0, text.indexOf('-----BEGIN')) +
        `-----BEGIN ${label}` +
        `-----\n${Buffer.from(decodeOnePem(text, [label])).toString('base64')}\n-----END ${label}-----\n`,
    ],
    ['it is there twice', 'ERR_PEM', (text) => text + text.slice(text.indexOf('-----BEGIN'))],
    ['its last block is another', 'ERR_KEY_PASSPHRASE', flipped(1)],
    ['it is empty', 'ERR_KEY_STORAGE', () => ''],
    [
      'its key is not encrypted',
      'ERR_PEM',
      (text) => text.slice(0, text.indexOf('-----BEGIN')) + encodePem('PRIVATE KEY', Buffer.alloc(100)),
    ],
    [
      'its key is no EncryptedPrivateKeyInfo',
      'ERR_KEY_MALFORMED',
      (text) =>
        text.slice(0, text.indexOf('-----BEGIN')) + encodePem(label, Buffer.from('3003020100', 'hex')),
    ],
  ])('is refused when %s', async (_what, wanted, changed) => {
    const { directory, file } = await written()
    const text = readFileSync(file, 'latin1')
    expect(changed(text)).not.toBe(text)
    writeFileSync(file, changed(text))
    await using keys = await open(directory)
    await expect(keys.getSigner('ca')).rejects.toThrow(code(wanted))
    await expect(keys.rotateKey('ca')).rejects.toThrow(code(wanted))
    await expect(keys.backupKey('ca', { passphrase })).rejects.toThrow(code(wanted))
    // As it was, it is good again.
    writeFileSync(file, text)
    expect((await keys.getSigner('ca'))?.algorithm).toBe('RSA-2048')
  })

  it('is refused in every octet of what CBC would let be changed', async () => {
    // The last block but one turns bits of the last: of the octets of an EC key there, OpenSSL looks at none
    // but the private ones.
    const { directory, file } = await written('P-256')
    const text = readFileSync(file, 'latin1')
    await using keys = await open(directory)
    for (const fromEnd of [17, 24, 32, 40, 100]) {
      writeFileSync(file, flipped(fromEnd)(text))
      await expect(keys.getSigner('ca')).rejects.toThrow(
        expect.objectContaining({
          code: expect.stringMatching(/^ERR_KEY_(STORAGE|PASSPHRASE|MALFORMED)$/) as unknown,
        }),
      )
    }
  })

  it('is refused in the place of another: of another version, or of another key', async () => {
    const { directory, file } = await written('P-256')
    await using keys = await open(directory)
    await keys.rotateKey('ca')
    await keys.generateKey('web', 'P-256')
    copyFileSync(file, join(directory, 'ca', '2.pem'))
    copyFileSync(file, join(directory, 'web', '1.pem'))
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    await expect(keys.getSigner('web')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    expect(await keys.getSigner('ca', 1)).toBeInstanceOf(SoftwareSigner)
  })

  it('is refused under another passphrase by a code of its own, also where it was changed', async () => {
    const { directory, file } = await written('P-256')
    await using stranger = await open(directory, 'a passphrase of somebody else')
    await expect(stranger.getSigner('ca')).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    writeFileSync(file, readFileSync(file, 'latin1').replace('P-256', 'P-384'))
    const failure: unknown = await stranger.rotateKey('ca').catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'ERR_KEY_PASSPHRASE' })
    expect(inspect([failure, stranger], { depth: 20, showHidden: true })).not.toContain('somebody else')
  })

  it.each([undefined, null, 5, {}])('is not written under %j for a passphrase', async (secret) => {
    await using keys = await FileKeyManager.open({ directory: fresh(), passphrase: () => secret as never })
    await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await keys.listKeys()).toEqual([])
  })
})

describe('a key directory', () => {
  it('is not the place of a link, which may lead to anybody', async () => {
    const { directory } = await written('P-256')
    const elsewhere = join(dirname(directory), 'elsewhere')
    renameSync(join(directory, 'ca'), elsewhere)
    symlinkSync(elsewhere, join(directory, 'ca'))
    await using keys = await open(directory)
    for (const call of [
      () => keys.getSigner('ca'),
      () => keys.rotateKey('ca'),
      () => keys.listKeys(),
      () => keys.destroyKey('ca'),
    ])
      await expect(call()).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it('may have other files in it, and they are no keys', async () => {
    const { directory } = await written('P-256')
    writeFileSync(join(directory, 'notes'), 'who changed what')
    mkdirSync(join(directory, 'lost+found'))
    mkdirSync(join(directory, 'empty'), { mode: 0o700 })
    writeFileSync(join(directory, 'ca', '0.pem'), '')
    writeFileSync(join(directory, 'ca', '01.pem'), '')
    writeFileSync(join(directory, 'ca', '2.pem.old'), '')
    await using keys = await open(directory)
    expect((await keys.listKeys()).map(({ id, version }) => [id, version])).toEqual([['ca', 1]])
    await expect(keys.generateKey('notes', 'P-256')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    expect(await keys.generateKey('empty', 'P-256')).toBeInstanceOf(SoftwareSigner)
  })

  it('is not the place of somebody else, who may put other files there', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('this test gives a directory away, which only root may')
    const { directory } = await written('P-256')
    chownSync(directory, 65_534, 65_534)
    await expect(open(directory)).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it('answers with a code when it is gone', async () => {
    const { directory } = await written('P-256')
    await using keys = await open(directory)
    rmSync(directory, { recursive: true })
    await expect(keys.listKeys()).rejects.toThrow(code('ERR_KEY_STORAGE'))
    // Not undefined: a caller would take the key for one that was never made (R6).
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })
})
