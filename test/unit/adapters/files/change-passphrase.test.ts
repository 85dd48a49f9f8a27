// Another passphrase for the keys of a directory, and a source of passphrases that fails.

import '../../../support/cheap-scrypt.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../../src/adapters/files/index.ts'
import { code } from '../../../support/codes.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('change-passphrase-')

const open = (directory: string, passphrase = 'one') =>
  FileKeyManager.open({ directory, passphrase: () => passphrase })

async function written(ids: readonly string[] = ['a', 'b']) {
  const directory = join(newFolder(), 'keys')
  const keys = await open(directory)
  for (const id of ids) await keys.generateKey(id, 'P-256')
  return { directory, keys }
}

describe('a passphrase', () => {
  it('whose source fails is not called wrong, and the text of the failure is the cause alone', async () => {
    const { directory } = await written()
    const source = (): string => {
      throw new Error('token hvs.SECRET has expired')
    }
    const keys = await FileKeyManager.open({ directory, passphrase: source })
    for (const run of [
      () => keys.getSigner('a'),
      () => keys.generateKey('c', 'P-256'),
      () => keys.changePassphrase(() => 'two'),
      async () => (await open(directory)).changePassphrase(source),
    ]) {
      const failure: unknown = await run().catch((error: unknown) => error)
      expect(failure).toMatchObject({
        code: 'ERR_KEY_STORAGE',
        cause: expect.objectContaining({ message: expect.stringContaining('hvs') as unknown }) as unknown,
      })
      expect(String(failure)).toMatch(/the passphrase source failed/)
      expect(String(failure)).not.toContain('hvs')
    }
  })

  it('of another type is named, and not the file', async () => {
    const { directory } = await written()
    const keys = await FileKeyManager.open({ directory, passphrase: () => undefined as never })
    await expect(keys.getSigner('a')).rejects.toThrow(/the passphrase source returned undefined; expected/)
  })
})

describe('changePassphrase', () => {
  const files = ['a', 'b', 'c'].map((id) => join(id, '1.pem'))

  it('replaces no file where one does not open', async () => {
    const { directory, keys } = await written(['a', 'b', 'c'])
    const read = () => files.slice(0, 2).map((file) => readFileSync(join(directory, file), 'latin1'))
    const [before, last] = [read(), readFileSync(join(directory, files[2]!))]
    writeFileSync(join(directory, files[2]!), '')
    await expect(keys.changePassphrase(() => 'two')).rejects.toThrow(/c.1\.pem .*it is empty/)
    expect(read()).toEqual(before)
    writeFileSync(join(directory, files[2]!), last)
    await expect((await open(directory, 'three')).changePassphrase(() => 'two')).rejects.toThrow(
      /a.1\.pem: neither the previous nor the new passphrase decrypts it; no file was changed/,
    )
    expect(read()).toEqual(before)
  })

  it('is resumed after a crash before each of its files', async () => {
    const { directory, keys } = await written(['a', 'b', 'c'])
    const read = () => files.map((file) => readFileSync(join(directory, file)))
    const before = read()
    await keys.changePassphrase(() => 'two')
    const after = read()
    for (let done = 0; done <= files.length; done++) {
      files.forEach((file, at) => writeFileSync(join(directory, file), (at < done ? after : before)[at]!))
      writeFileSync(join(directory, 'a', '.writing-0011'), 'half of a file', { mode: 0o600 })
      if (done > 0) {
        await expect((await open(directory)).getSigner('a')).rejects.toThrow(
          /repeat a changePassphrase that was interrupted$/,
        )
      }
      const resumed = await open(directory)
      await resumed.changePassphrase(() => 'two')
      for (const id of ['a', 'b', 'c']) {
        expect(await resumed.getSigner(id)).toBeDefined()
        expect(await (await open(directory, 'two')).getSigner(id)).toBeDefined()
      }
    }
  })

  it('refuses a new passphrase before it decrypts anything', async () => {
    const keys = await open(join(newFolder(), 'keys'))
    await expect(keys.changePassphrase(() => 'two\n')).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await keys.generateKey('a', 'P-256')
  })
})
