// Tiles as files: whole or not at all, and nowhere else than in their directory.

import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { createTileDirectory } from '../../../../src/adapters/files/index.ts'
import { encodeAuditRecord, openAuditLog, verifyAuditLog } from '../../../../src/audit/index.ts'
import { createMemoryStorage } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'

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
    /cannot write it: (ENOTDIR|EEXIST)/,
  )
})
