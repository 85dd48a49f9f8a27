// The directory of key files: one passphrase, the group of a Kubernetes volume, and the same directory as
// when it was opened.

import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../../src/adapters/files/index.ts'
import type { FileKeyManagerOptions } from '../../../../src/adapters/files/file-key-manager.ts'
import { code } from '../../../support/codes.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('key-directory-')
const fresh = (): string => join(newFolder(), 'keys')
const open = (directory: string, passphrase = 'one', more: Partial<FileKeyManagerOptions> = {}) =>
  FileKeyManager.open({ directory, passphrase: () => passphrase, ...more })
const isRoot = process.getuid?.() === 0

describe('the passphrase of a directory', () => {
  it('is one: no key is made, rotated or restored under another', async () => {
    const directory = fresh()
    await using keys = await open(directory)
    const made = await keys.generateKey('ca', 'P-256')
    const backup = await keys.backupKey('ca', { passphrase: 'of the backup' })
    await using other = await open(directory, 'two')
    for (const attempt of [
      () => other.generateKey('web', 'P-256'),
      () => other.rotateKey('ca'),
      () => other.restoreKey({ ...backup, keyId: 'web' }, { passphrase: 'of the backup' }),
      () => other.restoreKey(backup, { passphrase: 'of the backup' }),
    ])
      await expect(attempt()).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    await expect(other.generateKey('web', 'P-256')).rejects.toThrow(`${join(directory, 'ca', '1.pem')}: `)
    expect((await keys.listKeys()).map(({ id, version }) => `${id}/${version}`)).toEqual(['ca/1'])
    expect((await keys.getSigner('ca'))?.publicKey.equals(made.publicKey)).toBe(true)
  })

  it('is replaced by changePassphrase for every version of every key; a second call resumes', async () => {
    const directory = fresh()
    const keys = await open(directory)
    for (const id of ['ca', 'web']) await keys.generateKey(id, 'P-256')
    const newest = await keys.rotateKey('ca')
    const before = readFileSync(join(directory, 'ca', '1.pem'))
    const one = await open(directory)
    await keys.changePassphrase(() => 'two')
    expect(readFileSync(join(directory, 'ca', '1.pem')).equals(before)).toBe(false)
    expect((await keys.getSigner('ca'))?.publicKey.equals(newest.publicKey)).toBe(true)
    await keys.rotateKey('ca')
    await expect(one.getSigner('web')).rejects.toThrow(code('ERR_KEY_PASSPHRASE'))
    // As after a crash: one file of before.
    writeFileSync(join(directory, 'ca', '1.pem'), before, { mode: 0o600 })
    const again = await open(directory)
    await again.changePassphrase(async () => Promise.resolve('two'))
    for (const [id, version] of [
      ['ca', 1],
      ['ca', 2],
      ['ca', 3],
      ['web', 1],
    ] as const)
      expect(await (await open(directory, 'two')).getSigner(id, version)).toBeDefined()
    expect(readdirSync(join(directory, 'ca')).sort()).toEqual(['1.pem', '2.pem', '3.pem'])
    await expect((await open(directory, 'three')).changePassphrase(() => 'four')).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
    for (const bad of ['', 'two\n'])
      await expect(again.changePassphrase(() => bad)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(again.changePassphrase('two' as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a directory', () => {
  it.each<[string, (directory: string) => void]>([
    [
      'that was replaced by another',
      (directory) => (renameSync(directory, `${directory}.old`), mkdirSync(directory, { mode: 0o700 })),
    ],
    [
      'that is a link to another now',
      (directory) => (
        renameSync(directory, `${directory}.old`),
        mkdirSync(`${directory}.new`, { mode: 0o700 }),
        symlinkSync(`${directory}.new`, directory)
      ),
    ],
    ['that is gone', (directory) => rmSync(directory, { recursive: true })],
    ['that is open to others now', (directory) => chmodSync(directory, 0o755)],
    [
      'that is a file now',
      (directory) => (rmSync(directory, { recursive: true }), writeFileSync(directory, '')),
    ],
  ])('%s is not used', async (_what, change) => {
    const directory = fresh()
    await using keys = await open(directory)
    await keys.generateKey('ca', 'P-256')
    change(directory)
    for (const attempt of [
      () => keys.getSigner('ca'),
      () => keys.listKeys(),
      () => keys.generateKey('web', 'P-256'),
      () => keys.rotateKey('ca'),
      () => keys.destroyKey('ca'),
      () => keys.changePassphrase(() => 'two'),
    ])
      await expect(attempt()).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it('behind a link is used, and not after the link was pointed elsewhere', async () => {
    const folder = newFolder()
    for (const name of ['a', 'b']) mkdirSync(join(folder, name), { mode: 0o700 })
    const link = join(folder, 'link')
    symlinkSync(join(folder, 'a'), link)
    await using keys = await open(link)
    await keys.generateKey('ca', 'P-256')
    rmSync(link)
    symlinkSync(join(folder, 'b'), link)
    await expect(keys.generateKey('web', 'P-256')).rejects.toThrow(/replaced/)
    expect(readdirSync(join(folder, 'b'))).toEqual([])
    await using again = await open(link)
    expect(await again.listKeys()).toEqual([])
  })

  it.skipIf(!isRoot)('of a volume with fsGroup is used where its group is given, and only then', async () => {
    const directory = fresh()
    await using made = await open(directory)
    await made.generateKey('ca', 'P-256')
    // What the kubelet does at each mount.
    const files = [directory, join(directory, 'ca'), join(directory, 'ca', '1.pem')]
    for (const [at, path] of files.entries()) {
      chownSync(path, 0, 2000)
      chmodSync(path, at < 2 ? 0o2770 : 0o660)
    }
    await expect(open(directory)).rejects.toThrow(/dangerouslyAllowGroupId/)
    await expect(open(directory, 'one', { dangerouslyAllowGroupId: 2001 })).rejects.toThrow(
      code('ERR_KEY_STORAGE'),
    )
    await using keys = await open(directory, 'one', { dangerouslyAllowGroupId: 2000 })
    expect(await keys.getSigner('ca')).toBeDefined()
    await keys.rotateKey('ca')
    chmodSync(files[2]!, 0o664)
    await expect(keys.getSigner('ca', 1)).rejects.toThrow(code('ERR_KEY_STORAGE'))
    await expect(open(directory, 'one', { dangerouslyAllowGroupId: -1 })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it('is opened with the options that exist', async () => {
    const directory = fresh()
    for (const options of [
      { directory },
      { directory, passphrase: 'one' },
      { directory, passphrase: () => 'one', onWriteStep: () => undefined },
      undefined,
    ])
      await expect(FileKeyManager.open(options as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
