// What may happen to key files: a kill at every moment of a write, a full disk, a directory that is open to
// others, two processes.

import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect, promisify } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import '../support/cheap-scrypt.ts'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createSecureFile } from '../../src/adapters/files/secure-file.ts'
import { verifySignature } from '../../src/x509/index.ts'
import { bundled, cheapScryptOptions } from '../support/bundled.ts'
import { code } from '../support/codes.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { watchWriteSteps, writeSteps } from '../support/write-steps.ts'

const passphrase = 'a passphrase that nobody sees'
const open = (directory: string) => FileKeyManager.open({ directory, passphrase: () => passphrase })
const newFolder = temporaryFolders('file-keys-')
const fresh = (): string => join(newFolder(), 'keys')
const writer = fileURLToPath(bundled('test/support/key-writer.ts'))
const steps = writeSteps

const notAllowed = 'this test mounts a small file system, which is not allowed here'

/** A small file system for one test; undefined where nobody may mount one. */
function mounted(size: string): string | undefined {
  const folder = newFolder()
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder]).status !== 0)
    return undefined
  onTestFinished(() => void spawnSync('umount', [folder]))
  return folder
}

describe('key files', () => {
  it.each(steps)('survive a kill at the moment "%s": no torn file, no lost key', async (step) => {
    const directory = fresh()
    await using before = await open(directory)
    const old = await before.generateKey('ca', 'P-256')
    const { signal } = spawnSync(process.execPath, [
      ...cheapScryptOptions(),
      writer,
      directory,
      passphrase,
      'rotate',
      step,
    ])
    expect(signal).toBe('SIGKILL')
    await using after = await open(directory)
    const versions = (await after.listKeys()).map(({ version }) => version)
    expect([[1], [1, 2]]).toContainEqual(versions)
    if (steps.indexOf(step) >= steps.indexOf('linked')) expect(versions).toEqual([1, 2])
    expect((await after.getSigner('ca', 1))?.publicKey.equals(old.publicKey)).toBe(true)
    const signer = (await after.getSigner('ca'))!
    expect(
      verifySignature(
        signer.publicKey,
        signer.signatureAlgorithm,
        Buffer.from('x'),
        await signer.sign(Buffer.from('x')),
      ),
    ).toBe(true)
    await after.rotateKey('ca')
  })

  it('removes what an interrupted write left, once it is old', async () => {
    const directory = fresh()
    await using keys = await open(directory)
    await keys.generateKey('ca', 'P-256')
    const left = join(directory, 'ca', '.writing-left')
    writeFileSync(left, 'half a key')
    await keys.getSigner('ca')
    expect(readdirSync(join(directory, 'ca'))).toContain('.writing-left')
    utimesSync(left, new Date(0), new Date(0))
    await keys.getSigner('ca')
    expect(readdirSync(join(directory, 'ca'))).toEqual(['1.pem'])
  })

  it('are for their owner alone', async () => {
    const directory = fresh()
    await using keys = await open(directory)
    await keys.generateKey('ca', 'P-256')
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(statSync(join(directory, 'ca', '1.pem')).mode & 0o777).toBe(0o600)
    chmodSync(directory, 0o755)
    await expect(open(directory)).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it.each([
    { what: 'is open to others', change: (file: string) => chmodSync(file, 0o640) },
    {
      what: 'is a symbolic link',
      change: (file: string) => {
        renameSync(file, `${file}.moved`)
        symlinkSync(`${file}.moved`, file)
      },
    },
    {
      what: 'is a directory',
      change: (file: string) => {
        rmSync(file)
        mkdirSync(file, { mode: 0o700 })
      },
    },
    { what: 'is too long', change: (file: string) => writeFileSync(file, Buffer.alloc(65 * 1024)) },
    {
      what: 'has no time in it',
      change: (file: string) =>
        writeFileSync(file, readFileSync(file, 'latin1').replace(/created: .*/, 'created: yesterday')),
    },
  ])('are not read where one $what', async ({ change }) => {
    const directory = fresh()
    await using keys = await open(directory)
    await keys.generateKey('ca', 'P-256')
    change(join(directory, 'ca', '1.pem'))
    await using other = await open(directory)
    for (const manager of [keys, other])
      await expect(manager.getSigner('ca')).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it('are read anew where another process destroyed a version and made one of the same number', async () => {
    const directory = fresh()
    await using here = await open(directory)
    await using there = await open(directory)
    const destroyed = await here.generateKey('ca', 'P-256')
    await there.destroyKey('ca')
    expect(await here.getSigner('ca')).toBeUndefined()
    const made = await there.generateKey('ca', 'P-256')
    const found = await here.getSigner('ca')
    expect([found?.publicKey.equals(made.publicKey), found?.publicKey.equals(destroyed.publicKey)]).toEqual([
      true,
      false,
    ])
    expect(await here.getSigner('ca')).toBe(found)
  })

  it('give a number to one key only, another process and a destroyed version included', async () => {
    const directory = fresh()
    await using here = await open(directory)
    await here.generateKey('ca', 'P-256')
    await here.rotateKey('ca')
    await here.destroyKey('ca', 2)
    await using there = await open(directory)
    const next = await there.rotateKey('ca')
    expect((await here.listKeys()).map(({ version, current }) => [version, current])).toEqual([
      [1, false],
      [3, true],
    ])
    expect((await here.getSigner('ca'))?.publicKey.equals(next.publicKey)).toBe(true)
    // With the key go its numbers.
    await here.destroyKey('ca')
    expect(readdirSync(join(directory, 'ca'))).toEqual([])
    await there.generateKey('ca', 'P-256')
    expect((await here.listKeys()).map(({ version }) => version)).toEqual([1])
  })

  it('are destroyed once: the second of two processes is told', async () => {
    const directory = fresh()
    await using here = await open(directory)
    await using there = await open(directory)
    await here.generateKey('ca', 'P-256')
    const outcomes = await Promise.allSettled([here.destroyKey('ca'), there.destroyKey('ca')])
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(outcomes).toContainEqual({ status: 'rejected', reason: code('ERR_KEY_NOT_FOUND') })
  })

  it('are never overwritten: two processes rotate at once, and both versions are there', async () => {
    const directory = fresh()
    await using keys = await open(directory)
    await keys.generateKey('ca', 'P-256')
    const run = promisify(execFile)
    await Promise.all(
      [1, 2, 3].map(() =>
        run(process.execPath, [...cheapScryptOptions(), writer, directory, passphrase, 'rotate']),
      ),
    )
    expect((await keys.listKeys()).map(({ version }) => version)).toEqual([1, 2, 3, 4])
    expect(await createSecureFile(join(directory, 'ca', '1.pem'), 'another key')).toBe(false)
    expect(readFileSync(join(directory, 'ca', '1.pem'), 'utf8')).toContain('ENCRYPTED PRIVATE KEY')
  })

  it('answer with a code when the place is no directory, or cannot be written', async () => {
    const file = join(newFolder(), 'file')
    writeFileSync(file, '')
    await expect(open(file)).rejects.toThrow(code('ERR_KEY_STORAGE'))
    await expect(open(join(file, 'below'))).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })

  it.each(['ENOSPC', 'EROFS', 'EIO'])('answer with a code and leave nothing behind on %s', async (errno) => {
    const directory = fresh()
    await using keys = await open(directory)
    const restore = await watchWriteSteps((step) => {
      if (step === 'written') throw Object.assign(new Error(errno), { code: errno })
    })
    onTestFinished(restore)
    await expect(keys.generateKey('ca', 'P-256')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    expect(readdirSync(join(directory, 'ca'))).toEqual([])
    expect(await keys.getSigner('ca')).toBeUndefined()
  })

  it('refuse a disk that is really full', async ({ skip }) => {
    const mount = mounted('16k') ?? skip(notAllowed)
    await using keys = await open(mount)
    const first = await keys.generateKey('small', 'P-256')
    writeFileSync(join(mount, 'filler'), '')
    try {
      writeFileSync(join(mount, 'filler'), Buffer.alloc(64 * 1024))
    } catch {
      // As full as it gets.
    }
    await expect(keys.generateKey('large', 'RSA-4096')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    expect((await keys.getSigner('small'))?.publicKey.equals(first.publicKey)).toBe(true)
  })

  it('are read where the directory is read-only, and nothing else', async ({ skip }) => {
    const mount = mounted('1m') ?? skip(notAllowed)
    await using keys = await open(mount)
    const made = await keys.generateKey('kept', 'P-256')
    expect(spawnSync('mount', ['-o', 'remount,ro', mount]).status).toBe(0)
    await using reader = await open(mount)
    expect((await reader.getSigner('kept'))?.publicKey.equals(made.publicKey)).toBe(true)
    for (const attempt of [
      () => reader.generateKey('other', 'P-256'),
      () => reader.rotateKey('kept'),
      () => reader.destroyKey('kept'),
    ])
      await expect(attempt()).rejects.toThrow(code('ERR_KEY_STORAGE'))
    expect(await reader.listKeys()).toHaveLength(1)
  })

  it('open with their passphrase alone, and never show it', async () => {
    const directory = fresh()
    await using keys = await open(directory)
    const signer = await keys.generateKey('ca', 'P-256')
    await using other = await FileKeyManager.open({ directory, passphrase: () => 'another secret' })
    const error: unknown = await other.getSigner('ca').catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'ERR_KEY_PASSPHRASE' })
    const secret = signer.privateKey().export({ format: 'jwk' }).d!
    const shown = inspect([error, keys, other, signer], { depth: 12, showHidden: true })
    for (const hidden of [
      passphrase,
      'another secret',
      secret,
      Buffer.from(secret, 'base64url').toString('hex'),
    ])
      expect(shown).not.toContain(hidden)
    writeFileSync(join(directory, 'ca', '2.pem'), 'nonsense', { mode: 0o600 })
    await expect(keys.getSigner('ca')).rejects.toThrow(code('ERR_KEY_STORAGE'))
  })
})
