// Tiles as files: whole or not at all, and nowhere else than in their directory.

import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createTileDirectory } from '../../../../src/adapters/files/index.ts'
import { encodeAuditRecord, openAuditLog, verifyAuditLog } from '../../../../src/audit/index.ts'
import { createMemoryStorage } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { code } from '../../../support/codes.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('tiles-')

const folder = mkdtempSync(join(tmpdir(), 'tiles-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('keeps a log that goes on with another process', async () => {
  const { audit } = createMemoryStorage()
  const signer = await SoftwareSigner.generate('Ed25519')
  const tiles = createTileDirectory(join(folder, 'a/b'))
  for (const total of [3, 300]) {
    await audit.append(
      Array.from({ length: total }, (_, i) => encodeAuditRecord({ event: 'key', time: new Date(i) })),
    )
    const log = await openAuditLog({ origin: 'log', signer, entries: audit, tiles })
    await log.integrate()
    expect(await verifyAuditLog({ tiles, key: log.key, entries: audit })).toMatchObject({ ok: true })
  }
  expect(readdirSync(join(folder, 'a/b'), { recursive: true }).toSorted()).toEqual(
    expect.arrayContaining([
      'checkpoint',
      'tile/0/000',
      'tile/0/001.p/47',
      'tile/entries/000',
      'tile/1/000.p/1',
    ]),
  )
})

it('reads undefined where nothing is, and replaces what is there', async () => {
  const tiles = createTileDirectory(join(folder, 'c'))
  expect(await tiles.read('checkpoint')).toBeUndefined()
  await tiles.write('checkpoint', Buffer.from('1'))
  await tiles.write('checkpoint', Buffer.from('2'))
  expect(readFileSync(join(folder, 'c/checkpoint'), 'utf8')).toBe('2')
  expect(readdirSync(join(folder, 'c'))).toEqual(['checkpoint'])
})

it.each([
  '../x',
  '/etc/passwd',
  'tile/0/../../x',
  'tile/0/000/',
  'tile/00a/000',
  'checkpoint\0',
  'tile/0/x01/000',
  '',
])('refuses the path %j', async (path) => {
  const tiles = createTileDirectory(join(folder, 'd'))
  await expect(tiles.read(path)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  await expect(tiles.write(path, new Uint8Array())).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  expect(existsSync(join(folder, 'd'))).toBe(false)
})

it('a file where a directory should be is named with the reason', async () => {
  writeFileSync(join(folder, 'e'), '')
  chmodSync(join(folder, 'e'), 0o600)
  const tiles = createTileDirectory(join(folder, 'e'))
  await expect(tiles.write('checkpoint', new Uint8Array())).rejects.toThrow(
    /cannot write it: .+ \((ENOTDIR|EEXIST)\)/,
  )
})

describe('a checkpoint', () => {
  const checkpoint = (size: number, origin = 'ca.example.org/audit'): Buffer =>
    Buffer.from(`${origin}\n${size}\nroot\n\n— signature\n`)
  const sizeIn = (directory: string): number =>
    Number(readFileSync(join(directory, 'checkpoint'), 'utf8').split('\n')[1])

  it('never replaces one of more entries: an old leader that goes on is refused', async () => {
    const directory = newFolder()
    const [old, leader] = [createTileDirectory(directory), createTileDirectory(directory)]
    await old.write('checkpoint', checkpoint(10))
    await leader.write('checkpoint', checkpoint(20))
    await expect(old.write('checkpoint', checkpoint(15))).rejects.toThrow(code('ERR_STORE_CONFLICT'))
    expect(sizeIn(directory)).toBe(20)
    // The same size may come with a further cosignature, and a new log may begin.
    await leader.write('checkpoint', checkpoint(20))
    await leader.write('checkpoint', checkpoint(1, 'another.example.org/audit'))
    expect(sizeIn(directory)).toBe(1)
    expect(readdirSync(directory)).toEqual(['checkpoint'])
  })

  it('that a stopped process was about to rename is gone before a later one is written', async () => {
    const directory = newFolder()
    // What a process has on the disk that was stopped between its fsync and its rename.
    const stopped = join(directory, `.checkpoint-${'0'.repeat(24)}`)
    writeFileSync(stopped, checkpoint(10))
    await createTileDirectory(directory).write('checkpoint', checkpoint(20))
    expect(() => renameSync(stopped, join(directory, 'checkpoint'))).toThrow('ENOENT')
    expect(sizeIn(directory)).toBe(20)
  })

  it('goes up only, whoever writes at the same time', async () => {
    const directory = newFolder()
    let [highest, refused] = [0, 0]
    let size = 0
    const write = async (): Promise<void> => {
      const tiles = createTileDirectory(directory)
      for (let count = 0; count < 60; count++) {
        try {
          await tiles.write('checkpoint', checkpoint(++size))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_STORE_CONFLICT' })
          refused++
        }
        if (!readdirSync(directory).includes('checkpoint')) continue
        const found = sizeIn(directory)
        expect(found).toBeGreaterThanOrEqual(highest)
        highest = found
      }
    }
    await Promise.all([write(), write(), write()])
    expect(refused).toBeLessThan(180)
    await createTileDirectory(directory).write('checkpoint', checkpoint(1000))
    expect(readdirSync(directory)).toEqual(['checkpoint'])
  })
})
