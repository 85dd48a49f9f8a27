// What the files of keys leave behind: no open descriptor, and no octets of a key or of a passphrase.

import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { decryptPrivateKey, encryptPrivateKey } from '../../../../src/adapters/files/encrypted-private-key.ts'
import { syncDirectory } from '../../../../src/adapters/files/file-access.ts'
import {
  createSecureFile,
  readSecureFile,
  replaceSecureFile,
} from '../../../../src/adapters/files/secure-file.ts'
import { encryptPkcs8Sync } from '../../../../src/keys/private-key/encrypted-pkcs8.ts'

const access = { groupId: undefined }
const directory = mkdtempSync(join(tmpdir(), 'released-'))
const path = (name: string): string => join(directory, name)

/** The files of the directory that this process has open. */
function opened(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(directory) ? [target] : []
    } catch {
      return []
    }
  })
}

describe.runIf(existsSync('/proc/self/fd'))('no descriptor is open', () => {
  it('after a file was created, found to exist, replaced and read', async () => {
    expect(await createSecureFile(path('a'), 'one')).toBe(true)
    expect(await createSecureFile(path('a'), 'two')).toBe(false)
    expect(opened()).toEqual([])
    await replaceSecureFile(path('a'), 'three')
    expect(opened()).toEqual([])
    expect(await readSecureFile(path('a'), 100, access)).toBe('three')
    expect(opened()).toEqual([])
    expect(readdirSync(directory)).toEqual(['a'])
  })

  it('after a directory was synced', async () => {
    await syncDirectory(directory)
    expect(opened()).toEqual([])
  })

  it.each<[string, number, number]>([
    ['that others may read', 0o644, 100],
    ['that is too large', 0o600, 4],
  ])('after a file was refused %s', async (_what, mode, maxOctets) => {
    writeFileSync(path('refused'), 'octets')
    chmodSync(path('refused'), mode)
    await expect(readSecureFile(path('refused'), maxOctets, access)).rejects.toMatchObject({
      code: 'ERR_KEY_STORAGE',
    })
    expect(opened()).toEqual([])
  })
})

describe('octets of a key are overwritten', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const passphrase = 'correct horse'
  const plainLength = privateKey.export({ type: 'pkcs8', format: 'der' }).length

  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** How many buffers were overwritten: of derived keys, and of encoded private keys. */
  async function wipedBy(act: () => unknown): Promise<number[]> {
    const fill = vi.spyOn(Buffer.prototype, 'fill')
    await Promise.resolve(act()).catch(() => undefined)
    const wiped = [...new Set(fill.mock.contexts as Buffer[])].filter((each) =>
      each.every((octet) => octet === 0),
    )
    fill.mockRestore()
    return [32, plainLength].map((length) => wiped.filter((each) => each.length === length).length)
  }

  it('when a key is encrypted', async () => {
    expect(await wipedBy(() => encryptPrivateKey(privateKey, passphrase, 'about'))).toEqual([2, 1])
    expect(await wipedBy(() => encryptPkcs8Sync(privateKey, passphrase))).toEqual([1, 1])
  })

  it('when a key is decrypted, and when it is refused', async () => {
    const file = await encryptPrivateKey(privateKey, passphrase, 'about')
    // Besides the derived keys: the private number, and the encoding that the decrypted one is compared with.
    expect(await wipedBy(() => decryptPrivateKey(file, passphrase, 'about'))).toEqual([3, 2])
    expect(await wipedBy(() => decryptPrivateKey(file, passphrase, 'other'))).toEqual([3, 2])
    const [derived] = await wipedBy(() => decryptPrivateKey(file, 'wrong horse', 'about'))
    expect(derived).toBe(1)
  })
})
