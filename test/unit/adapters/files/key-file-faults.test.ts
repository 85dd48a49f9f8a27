// One fault in a directory of keys: it is named with its file and the next step, and stops no other key.

import '../../../support/cheap-scrypt.ts'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../../../src/adapters/files/index.ts'
import { encodePem } from '../../../../src/internal/pem.ts'
import { code } from '../../../support/codes.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('key-faults-')
const isRoot = process.getuid?.() === 0

const open = (directory: string, passphrase = 'one', options: object = {}) =>
  FileKeyManager.open({ directory, passphrase: () => passphrase, ...options })

async function written(ids: readonly string[] = ['a', 'b']) {
  const directory = join(newFolder(), 'keys')
  const keys = await open(directory)
  for (const id of ids) await keys.generateKey(id, 'P-256')
  return { directory, keys, file: join(directory, 'a', '1.pem') }
}

const rewrite = (change: (text: string) => string) => (file: string) =>
  writeFileSync(file, change(readFileSync(file, 'latin1')), 'latin1')

describe('a faulty key file', () => {
  it.each<[string, (file: string) => void, RegExp]>([
    ['is empty', rewrite(() => ''), /it is empty/],
    ['has a byte order mark', rewrite((text) => `\xef\xbb\xbf${text}`), /byte order mark/],
    ['has lines of another system', rewrite((text) => text.replaceAll('\n', '\r\n')), /carriage returns/],
    ['lost its last line feed', rewrite((text) => text.trimEnd()), /last line has no line feed/],
    [
      'is a key of openssl',
      rewrite(() => encodePem('PRIVATE KEY', Buffer.alloc(99))),
      /has "PRIVATE KEY" with/,
    ],
    ['has two keys', rewrite((text) => text + text.slice(text.indexOf('-----'))), /expected one PEM block/],
    ['is too long', rewrite(() => 'A'.repeat(70_000)), /70000 octets; the maximum is 65536/],
    ['is a directory', (file) => (rmSync(file), mkdirSync(file)), /not a regular file/],
    [
      'is a symbolic link',
      (file) => (renameSync(file, `${file}.x`), symlinkSync('1.pem.x', file)),
      /1\.pem is a symbolic link; expected a regular file/,
    ],
    ['is readable by others', (file) => chmodSync(file, 0o644), /accessible to others: mode 644/],
  ])('that %s is named, and stops no other key', async (_what, change, words) => {
    const { directory, keys, file } = await written()
    change(file)
    for (const manager of [keys, await open(directory)]) {
      const failure = String(await manager.getSigner('a').catch((error: unknown) => error))
      expect(failure).toContain(file)
      expect(failure).toMatch(words)
      expect((await manager.getSigner('b'))?.algorithm).toBe('P-256')
      expect(await manager.listKeys('b')).not.toEqual([])
      expect(await manager.rotateKey('b')).toBeDefined()
    }
    await expect((await open(directory)).generateKey('c', 'P-256')).resolves.toBeDefined()
    // The other files still prove the passphrase.
    await expect((await open(directory, 'two')).generateKey('d', 'P-256')).rejects.toThrow(
      code('ERR_KEY_PASSPHRASE'),
    )
  })

  it('that is the only one stops a new key, whose passphrase nothing proves', async () => {
    const { directory, file } = await written(['a'])
    writeFileSync(file, '')
    await expect((await open(directory)).generateKey('c', 'P-256')).rejects.toThrow(/it is empty/)
  })

  it.skipIf(!isRoot)('in the directory of another user is refused', async () => {
    const { directory, keys } = await written()
    chownSync(join(directory, 'a'), 1234, 1234)
    await expect(keys.getSigner('a')).rejects.toThrow(/directory .*a belongs to the user 1234/)
  })

  it('in a directory that others can read is refused', async () => {
    const { directory, keys } = await written()
    chmodSync(join(directory, 'a'), 0o755)
    await expect(keys.getSigner('a')).rejects.toThrow(/directory .*a is accessible to others: mode 755/)
    chmodSync(join(directory, 'a'), 0o700)
    expect(await keys.getSigner('a')).toBeDefined()
  })

  it('in a directory that is a link, as in a Secret volume, is refused with the way out', async () => {
    const { directory, keys } = await written()
    renameSync(join(directory, 'a'), join(directory, '..data'))
    symlinkSync('..data', join(directory, 'a'))
    await expect(keys.getSigner('a')).rejects.toThrow(/symbolic link.*Secret volume.*cp -L/)
  })
})

describe.skipIf(!isRoot)('the group of a volume', () => {
  it.each<[string, number, number, RegExp]>([
    ['that is given, with a file for all', 2000, 0o664, /the group 2000 is allowed.*chmod o-rwx.*below it/],
    ['that is another than the given one', 2001, 0o660, /or the group 2001, which dangerouslyAllowGroupId/],
  ])('%s: the advice fits', async (_what, groupId, mode, words) => {
    const { directory, file } = await written()
    const keys = await open(directory, 'one', { dangerouslyAllowGroupId: groupId })
    chownSync(file, 0, 2000)
    chmodSync(file, mode)
    const failure = String(await keys.getSigner('a').catch((error: unknown) => error))
    expect(failure).toMatch(words)
    expect(failure).not.toContain('give that group')
  })
})
