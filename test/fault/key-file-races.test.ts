// Key files under several managers at once, and on a disk that says that it did not write.

import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import '../support/cheap-scrypt.ts'
import { FileKeyManager } from '../../src/adapters/files/index.ts'

import { code } from '../support/codes.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { watchWriteSteps } from '../support/write-steps.ts'

const passphrase = 'a passphrase that nobody sees'
const newFolder = temporaryFolders('races-')
const fresh = (): string => join(newFolder(), 'keys')
afterEach(() => vi.restoreAllMocks())
const open = (directory: string) => FileKeyManager.open({ directory, passphrase: () => passphrase })

describe('several managers of one directory', () => {
  it('make one key where all make it at once', async () => {
    const directory = fresh()
    const managers = await Promise.all([1, 2, 3].map(() => open(directory)))
    const outcomes = await Promise.allSettled(managers.map((keys) => keys.generateKey('ca', 'P-256')))
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
    expect(won).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_KEY_EXISTS' })
    for (const keys of managers)
      expect((await keys.getSigner('ca'))?.publicKey.equals(won[0]!.publicKey)).toBe(true)
    expect(readdirSync(join(directory, 'ca'))).toEqual(['1.pem'])
  })

  // A few orders of a fixed generator: which comes first is the disk's business all the same.
  it.each([1, 2, 3])(
    'never see two keys under one number while one stands, nor a failure without a code: %i',
    async (seed) => {
      const directory = fresh()
      const managers = await Promise.all([1, 2, 3].map(() => open(directory)))
      await managers[0]!.generateKey('ca', 'P-256')
      let state = seed
      const random = (below: number): number => (state = (state * 48_271) % 0x7fffffff) % below
      const seen = new Map<number, string>()
      const failures: unknown[] = []
      await Promise.all(
        managers.map(async (keys) => {
          for (let i = 0; i < 8; i++) {
            const what = random(4)
            try {
              if (what === 0) await keys.rotateKey('ca')
              else if (what === 1) await keys.destroyKey('ca', 1 + random(6))
              else if (what === 2) await keys.getSigner('ca')
              else await keys.listKeys()
              for (const { version } of await keys.listKeys()) {
                const signer = await keys.getSigner('ca', version)
                if (signer === undefined) continue
                const spki = Buffer.from(signer.publicKey.spki).toString('hex')
                expect(seen.get(version) ?? spki).toBe(spki)
                seen.set(version, spki)
              }
            } catch (error) {
              failures.push(error)
            }
            // The last version is not destroyed, for then the numbers begin anew: another one is made beside
            // it.
            if ((await keys.listKeys()).length < 2)
              await keys.rotateKey('ca').catch((error: unknown) => failures.push(error))
          }
        }),
      )
      for (const failure of failures) expect(failure).toMatchObject({ code: 'ERR_KEY_NOT_FOUND' })
      expect(readdirSync(join(directory, 'ca')).filter((name) => name.startsWith('.'))).toEqual([])
    },
  )

  it('restore one backup at once as versions of the same key, each of which opens', async () => {
    const recipient = generateKeyPairSync('x25519')
    const directory = fresh()
    const managers = await Promise.all([1, 2].map(() => open(directory)))
    const signer = await managers[0]!.generateKey('ca', 'P-256')
    const backup = await managers[0]!.backupKey('ca', { recipient: recipient.publicKey })
    await managers[0]!.destroyKey('ca')
    const outcomes = await Promise.allSettled(
      managers.map((keys) => keys.restoreKey(backup, { recipient: recipient.privateKey })),
    )
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    for (const { version } of await managers[0]!.listKeys())
      expect((await managers[1]!.getSigner('ca', version))?.publicKey.equals(signer.publicKey)).toBe(true)
  })
})

describe.skipIf(process.platform !== 'linux')('what is written is on the disk', () => {
  /** The prototype that file handles share, and the file that one is of. */
  async function fileHandles(): Promise<FileHandle> {
    const handle = await openFile(tmpdir(), 'r')
    await handle.close()
    return Object.getPrototypeOf(handle) as FileHandle
  }
  const fileOf = (handle: FileHandle): string =>
    basename(readlinkSync(`/proc/self/fd/${handle.fd}`)).replace(/^\.writing-[0-9a-f]+$/, 'temporary')

  it('before the rename, the name before the call returns, each new directory in its parent', async () => {
    const events: string[] = []
    const prototype = await fileHandles()
    const { sync } = prototype
    vi.spyOn(prototype, 'sync').mockImplementation(function (this: FileHandle) {
      events.push(`sync ${fileOf(this)}`)
      return sync.call(this)
    })
    const parent = newFolder()
    const directory = join(parent, 'keys', 'deeper')
    await using keys = await open(directory)
    expect(events).toEqual(['sync keys', `sync ${basename(parent)}`])
    events.length = 0
    const restore = await watchWriteSteps((step) => events.push(step))
    try {
      await keys.generateKey('ca', 'P-256')
    } finally {
      restore()
    }
    expect(events).toEqual([
      'sync deeper',
      'begin',
      'created',
      'written',
      'sync temporary',
      'synced',
      'linked',
      'unlinked',
      'sync ca',
      'directory-synced',
    ])
    events.length = 0
    await keys.destroyKey('ca')
    expect(events).toEqual(['sync ca'])
  })

  it.each(['temporary', 'ca'])('or the call fails: the sync of %s did', async (name) => {
    const directory = fresh()
    await using keys = await open(directory)
    const first = await keys.generateKey('ca', 'P-256')
    const prototype = await fileHandles()
    const { sync } = prototype
    vi.spyOn(prototype, 'sync').mockImplementation(function (this: FileHandle) {
      return fileOf(this) === name
        ? Promise.reject(Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }))
        : sync.call(this)
    })
    await expect(keys.rotateKey('ca')).rejects.toThrow(code('ERR_KEY_STORAGE'))
    vi.restoreAllMocks()
    expect(readdirSync(join(directory, 'ca')).filter((one) => one.startsWith('.'))).toEqual([])
    expect((await keys.getSigner('ca', 1))?.publicKey.equals(first.publicKey)).toBe(true)
    // Whatever the disk has now, it is whole.
    for (const { version } of await keys.listKeys()) expect(await keys.getSigner('ca', version)).toBeDefined()
    await keys.rotateKey('ca')
  })
})
