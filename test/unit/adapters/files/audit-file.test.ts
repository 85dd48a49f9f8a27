// The audit log as a file of JSON lines, which is renamed when it is full; and sinks of the log.

import { mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAuditFile } from '../../../../src/adapters/files/index.ts'
import { encodeAuditRecord, openAuditLog } from '../../../../src/audit/index.ts'
import { createMemoryStorage } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { MemoryTiles } from '../../audit/memory-tiles.ts'
import { code } from '../../../support/codes.ts'
import { temporaryFolders } from '../../../support/temporary.ts'

const newFolder = temporaryFolders('audit-file-')
const record = (at: number) =>
  encodeAuditRecord({ event: 'issued', time: new Date(1_800_000_000_000 + at), serialNumber: `s${at}` })
const batch = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ index: from + i, entry: record(from + i) }))
const linesOf = (path: string): { index: number; record?: { serialNumber: string }; entry?: string }[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as never)

describe('createAuditFile', () => {
  it('writes a line a record, readable for its owner only', async () => {
    const path = join(newFolder(), 'audit.jsonl')
    const sink = createAuditFile({ path })
    await sink(batch(0, 2))
    await sink([{ index: 2, entry: Uint8Array.of(0xff, 0x00) }])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(linesOf(path)).toEqual([
      { index: 0, record: expect.objectContaining({ serialNumber: 's0' }) as object },
      { index: 1, record: expect.objectContaining({ serialNumber: 's1' }) as object },
      { index: 2, entry: '/wA=' },
    ])
  })

  it('renames full files, keeps the newest, and loses and doubles no line of those', async () => {
    const folder = newFolder()
    const path = join(folder, 'audit.jsonl')
    const sink = createAuditFile({ path, maxBytes: 1024, maxFiles: 2 })
    // At once: they are written one after another.
    await Promise.all(Array.from({ length: 40 }, (_, at) => sink(batch(at, 1))))
    expect(readdirSync(folder).sort()).toEqual(['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2'])
    const files = ['.2', '.1', ''].map((suffix) => path + suffix)
    const indexes = files.flatMap((file) => linesOf(file).map(({ index }) => index))
    expect(indexes).toEqual(Array.from({ length: indexes.length }, (_, i) => 40 - indexes.length + i))
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(1024)
  })

  it('without files to keep begins anew', async () => {
    const folder = newFolder()
    const sink = createAuditFile({ path: join(folder, 'a'), maxBytes: 1024, maxFiles: 0 })
    for (let at = 0; at < 40; at++) await sink(batch(at, 1))
    expect(readdirSync(folder)).toEqual(['a'])
  })

  it('says why it cannot write, and writes again when it can', async () => {
    const folder = newFolder()
    const path = join(folder, 'sub', 'audit.jsonl')
    const sink = createAuditFile({ path })
    await expect(sink(batch(0, 1))).rejects.toThrow(code('ERR_STORE_UNAVAILABLE'))
    mkdirSync(join(folder, 'sub'))
    await sink(batch(1, 1))
    expect(linesOf(path).map(({ index }) => index)).toEqual([1])
  })

  it.each([{ path: '' }, { path: 'a', maxBytes: 10 }, { path: 'a', maxFiles: -1 }, { path: 'a', max: 1 }])(
    'refuses the options %j',
    (options) => {
      expect(() => createAuditFile(options as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
    },
  )
})

it('every sink of a log gets every record once and in order, and one that fails stops nothing', async () => {
  const storage = createMemoryStorage()
  const [tiles, signer] = [new MemoryTiles(), await SoftwareSigner.generate('Ed25519')]
  const seen: number[] = []
  const lines: string[] = []
  const note = (_: object, text: string): void => void lines.push(text)
  const log = await openAuditLog({
    ...{ origin: 'ca.example.org/audit', signer, entries: storage.audit, tiles, maxBatch: 10 },
    logger: { debug: note, info: note, warn: note, error: note },
    sinks: [
      () => Promise.reject(new Error('full')),
      (entries) => {
        for (const { index, entry } of entries) {
          seen.push(index)
          entry.fill(0)
        }
      },
    ],
  })
  for (let round = 0; round < 3; round++) {
    await storage.audit.append(batch(round * 15, 15).map(({ entry }) => entry))
    await log.integrate()
  }
  expect(log.size).toBe(45)
  expect(seen).toEqual(Array.from({ length: 45 }, (_, i) => i))
  expect(new Set(lines)).toEqual(new Set(['a sink of the audit log failed']))
  await expect(log.receipt(0)).resolves.toBeDefined()
})
