// The log as a whole: integrate, prove, verify; crashes in between;
// everything that can be changed afterwards.

import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  encodeAuditRecord,
  openAuditLog,
  verifyAuditLog,
  verifyAuditReceipt,
} from '../../../src/audit/index.ts'
import type { AuditLog, AuditRecord } from '../../../src/audit/index.ts'
import { readCheckpoint } from '../../../src/audit/checkpoint.ts'
import { verifyConsistency } from '../../../src/audit/merkle-tree.ts'
import { cosignedMessage, noteKeyOf, signatureLine } from '../../../src/audit/signed-note.ts'
import { decodeEntries, encodeEntries } from '../../../src/audit/tiles.ts'
import { createMemoryStorage } from '../../../src/ca/index.ts'
import type { CaStorage } from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import type { Logger } from '../../../src/runtime/index.ts'
import { MemoryTiles } from './memory-tiles.ts'

const origin = 'ca.example.org/audit'
let signer: SoftwareSigner
let storage: CaStorage
let tiles: MemoryTiles

beforeAll(async () => {
  signer = await SoftwareSigner.generate('Ed25519')
})
beforeEach(() => {
  storage = createMemoryStorage()
  tiles = new MemoryTiles()
})

function record(i: number): AuditRecord {
  return { event: 'issued', time: new Date(1_800_000_000_000 + i), issuer: 'aa', serialNumber: `s${i}` }
}

function open(): Promise<AuditLog> {
  return openAuditLog({ origin, signer, entries: storage.audit, tiles, maxBatch: 100 })
}

async function append(from: number, count: number): Promise<void> {
  await storage.audit.append(Array.from({ length: count }, (_, i) => encodeAuditRecord(record(from + i))))
}

describe('integrate', () => {
  it('ends while entries come faster than they are written', async () => {
    let count = 0
    const entries = {
      sequence: async () => [],
      // At every look there is one more.
      read: async (index: number) => [{ index, entry: encodeAuditRecord(record(count++)) }],
    }
    const log = await openAuditLog({ origin, signer, entries, tiles })
    expect((await log.integrate()).size).toBe(1)
    expect((await log.integrate()).size).toBe(2)
  })

  it.each([0, 1, 255, 256, 257, 700])(
    '%i entries are under one checkpoint, each with its receipt',
    async (count) => {
      await append(0, count)
      const log = await open()
      const { size } = await log.integrate()
      expect(size).toBe(count)
      expect(readCheckpoint(log.checkpoint, log.key).size).toBe(count)
      for (const index of [0, 1, 254, 255, 256, count - 1]) {
        if (index < 0 || index >= count) continue
        const receipt = await log.receipt(index)
        verifyAuditReceipt(encodeAuditRecord(record(index)), receipt, log.key)
        expect(() => verifyAuditReceipt(encodeAuditRecord(record(index + 1)), receipt, log.key)).toThrow(
          /does not prove/,
        )
      }
      await expect(log.receipt(count)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
      expect(await verifyAuditLog({ tiles, key: log.key, entries: storage.audit })).toMatchObject({
        ok: true,
        size: count,
      })
    },
  )

  it.each([0, 1, 256, 300])('writes nothing where no entry is new, after %i', async (count) => {
    await append(0, count)
    const log = await open()
    await log.integrate()
    const written: string[] = []
    const write = tiles.write.bind(tiles)
    tiles.write = (path, octets) => {
      written.push(path)
      return write(path, octets)
    }
    await log.integrate()
    const again = await open()
    await again.integrate()
    expect(written).toEqual([])
    await append(count, 1)
    await again.integrate()
    expect(written.at(0)).toMatch(/^tile\/entries\//)
    expect(written.at(-1)).toBe('checkpoint')
  })

  it('goes on after a restart, and each checkpoint is the beginning of the next', async () => {
    let before: { size: number; root: Uint8Array } = { size: 0, root: new Uint8Array(32) }
    for (const count of [3, 253, 1, 600, 11]) {
      await append(before.size, count)
      const log = await open()
      const after = await log.integrate()
      expect(after.size).toBe(before.size + count)
      expect(verifyConsistency(before, after, await log.consistency(before.size))).toBe(true)
      expect(await verifyAuditLog({ tiles, key: log.key, seen: before })).toMatchObject({ ok: true })
      before = after
    }
  })

  it.each([
    ['fewer entries', 5],
    ['as many entries, which are others', 10],
    ['more entries, of which the last signed one is another', 300],
  ])('refuses a store that has %s than the log, and adds nothing', async (_what, count) => {
    await append(0, 10)
    const before = await open()
    await before.integrate()
    storage = createMemoryStorage()
    await append(1000, count)
    const log = await open()
    await expect(log.integrate()).rejects.toMatchObject({ code: 'ERR_AUDIT_LOG' })
    await expect(log.integrate()).rejects.toMatchObject({ code: 'ERR_AUDIT_LOG' })
    expect(log.checkpoint).toBe(before.checkpoint)
    expect(await storage.audit.size()).toEqual({ sequenced: 0, pending: count })
  })

  it('overlapping calls share one run', async () => {
    await append(0, 10)
    const log = await open()
    const [a, b] = await Promise.all([log.integrate(), log.integrate()])
    expect(a).toBe(b)
  })

  it(
    'a write that fails anywhere leaves a log that the next call or the next process ' + 'completes',
    async () => {
      for (let fault = 0; fault < 12; fault++) {
        storage = createMemoryStorage()
        tiles = new MemoryTiles()
        await append(0, 300)
        await (await open()).integrate()
        await append(300, 300)
        const log = await open()
        tiles.failAfter = fault
        const failed = await log.integrate().then(
          () => false,
          () => true,
        )
        tiles.failAfter = undefined
        const again = fault % 2 === 0 ? log : await open()
        expect((await again.integrate()).size).toBe(600)
        expect(await verifyAuditLog({ tiles, key: log.key, entries: storage.audit })).toMatchObject({
          ok: true,
          size: 600,
        })
        if (!failed) return
      }
      expect.unreachable('the last fault was behind the last write')
    },
  )

  it('a stale leader sequences nothing', async () => {
    await append(0, 1)
    const log = await open()
    const lease = await storage.leases.acquire('audit', 'a', 1000)
    await expect(log.integrate({ name: 'audit', epoch: lease!.epoch - 1 })).rejects.toMatchObject({
      code: 'ERR_LEASE_STALE',
    })
    expect((await log.integrate(lease)).size).toBe(1)
  })
})

describe('witnesses', () => {
  it('cosign what they saw grow; one that fails is logged', async () => {
    const witness = await SoftwareSigner.generate('Ed25519')
    const key = noteKeyOf('witness.example', witness.publicKey, 'cosignature/v1')
    const warnings: unknown[] = []
    const none = () => undefined
    const logger: Logger = { debug: none, info: none, warn: (fields) => warnings.push(fields), error: none }
    let seen: { size: number; root: Uint8Array } = { size: 0, root: new Uint8Array(32) }
    const cosign = async (note: string, olderSize: number, proof: readonly Uint8Array[]): Promise<string> => {
      expect(olderSize).toBe(seen.size)
      const checkpoint = readCheckpoint(note, noteKeyOf(origin, signer.publicKey))
      expect(verifyConsistency(seen, checkpoint, proof)).toBe(true)
      seen = checkpoint
      const time = Buffer.alloc(8)
      time.writeBigUInt64BE(1_800_000_000n)
      const text = note.slice(0, note.lastIndexOf('\n\n') + 1)
      return signatureLine(
        key,
        Buffer.concat([time, await witness.sign(cosignedMessage(1_800_000_000n, text))]),
      )
    }
    const silent = {
      key: noteKeyOf('silent.example', witness.publicKey, 'cosignature/v1'),
      cosign: () => Promise.reject(new Error('away')),
    }
    const log = await openAuditLog({
      origin,
      signer,
      entries: storage.audit,
      tiles,
      witnesses: [{ key, cosign }, silent],
      logger,
    })
    await append(0, 5)
    await log.integrate()
    await append(5, 5)
    await log.integrate()
    expect(await verifyAuditLog({ tiles, key: log.key, witnesses: [key] })).toMatchObject({
      ok: true,
      size: 10,
    })
    expect(await verifyAuditLog({ tiles, key: log.key, witnesses: [silent.key] })).toMatchObject({
      ok: false,
    })
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toMatchObject({ witness: 'silent.example', reason: 'away' })
  })
})

describe('verifyAuditLog finds', () => {
  let log: AuditLog
  beforeEach(async () => {
    await append(0, 600)
    log = await open()
    await log.integrate()
  })

  const kinds = async (options: object = {}): Promise<readonly string[]> => {
    const report = await verifyAuditLog({ tiles, key: log.key, entries: storage.audit, ...options })
    expect(report.ok).toBe(report.count === 0)
    return [...new Set(report.findings.map(({ kind }) => kind))]
  }

  it('an octet that was changed in any bundle', async () => {
    for (const path of [...tiles.files.keys()].filter((name) => name.startsWith('tile/entries'))) {
      const before = tiles.files.get(path)!
      for (const at of [2, 40, before.length - 1]) {
        const after = Uint8Array.from(before)
        after[at]! ^= 1
        tiles.files.set(path, after)
        expect(await kinds(), `${path} at ${at}`).toContain('changed')
      }
      tiles.files.set(path, before)
    }
  })

  it('an entry and its hash that were changed together', async () => {
    const bundle = decodeEntries(tiles.files.get('tile/entries/000')!, 256, 'tile/entries/000')
    bundle[7] = encodeAuditRecord(record(9999))
    tiles.files.set('tile/entries/000', encodeEntries(bundle))
    const { leafHash } = await import('../../../src/audit/merkle-tree.ts')
    const tile = Buffer.from(tiles.files.get('tile/0/000')!)
    tile.set(leafHash(bundle[7]), 7 * 32)
    tiles.files.set('tile/0/000', tile)
    const report = await verifyAuditLog({ tiles, key: log.key })
    expect(report.findings.map(({ message }) => message)).toEqual([
      'the 600 entries do not have the signed root hash',
    ])
  })

  it('a tile or a bundle that is missing', async () => {
    for (const path of [...tiles.files.keys()].filter((name) => name.startsWith('tile/'))) {
      if (path.startsWith('tile/1')) continue // not needed to check the entries themselves
      const before = tiles.files.get(path)!
      tiles.files.delete(path)
      expect(await kinds(), path).toContain('missing')
      tiles.files.set(path, before)
    }
  })

  it('a store that lost, changed or exchanged entries', async () => {
    const all = await storage.audit.read(0, 1000)
    const given = (entries: typeof all) => ({
      entries: {
        read: (from: number, limit: number) =>
          Promise.resolve(entries.filter(({ index }) => index >= from).slice(0, limit)),
      },
    })
    expect(await kinds(given(all))).toEqual([])
    expect(await kinds(given(all.slice(0, 599)))).toEqual(['missing'])
    expect(await kinds(given(all.filter(({ index }) => index !== 300)))).toEqual(['missing'])
    const swapped = all.map(({ index }) => ({
      index,
      entry: all[index === 5 ? 6 : index === 6 ? 5 : index]!.entry,
    }))
    expect(await kinds(given(swapped))).toEqual(['reordered'])
    const changed = all.map((one) => (one.index === 5 ? { ...one, entry: Buffer.from('{}') } : one))
    expect(await kinds(given(changed))).toEqual(['changed'])
  })

  it('a certificate of the store that no record tells of', async () => {
    const certificates = (names: readonly string[]) => ({
      certificates: (async function* () {
        for (const serialNumber of names) yield await Promise.resolve({ issuer: 'aa', serialNumber })
      })(),
    })
    expect(await kinds(certificates(['s0', 's599']))).toEqual([])
    expect(await kinds(certificates(['s0', 's600']))).toEqual(['not-in-log'])
  })

  it('a log that was cut back to an earlier state', async () => {
    const seen = { size: 600, root: readCheckpoint(log.checkpoint, log.key).root }
    storage = createMemoryStorage()
    tiles = new MemoryTiles()
    await append(0, 500)
    await (await open()).integrate()
    expect(await kinds({ seen })).toEqual(['checkpoint'])
    await append(7000, 200)
    await (await open()).integrate()
    expect(await kinds({ seen })).toEqual(['changed'])
  })

  it('a checkpoint that is absent, changed or of another key', async () => {
    const before = tiles.files.get('checkpoint')!
    tiles.files.set('checkpoint', Buffer.from(Buffer.from(before).toString().replace('600', '601')))
    expect(await kinds()).toEqual(['checkpoint'])
    tiles.files.delete('checkpoint')
    expect(await kinds()).toEqual(['checkpoint'])
    tiles.files.set('checkpoint', before)
    const other = await SoftwareSigner.generate('Ed25519')
    expect(await kinds({ key: noteKeyOf(origin, other.publicKey) })).toEqual(['checkpoint'])
  })

  it('keeps at most maxFindings of them, and counts all', async () => {
    const empty = { read: () => Promise.resolve([{ index: 599, entry: Buffer.from('x') }]) }
    const report = await verifyAuditLog({ tiles, key: log.key, entries: empty, maxFindings: 3 })
    expect(report.findings).toHaveLength(3)
    expect(report.count).toBe(600)
  })
})

describe('openAuditLog refuses', () => {
  it('a checkpoint of another key, and tiles that lead elsewhere', async () => {
    await append(0, 10)
    await (await open()).integrate()
    const other = await SoftwareSigner.generate('Ed25519')
    const options = { origin, entries: storage.audit, tiles }
    await expect(openAuditLog({ ...options, signer: other })).rejects.toMatchObject({
      code: 'ERR_NOTE_INVALID',
    })
    const tile = Buffer.from(tiles.files.get('tile/0/000.p/10')!)
    tile[0]! ^= 1
    tiles.files.set('tile/0/000.p/10', tile)
    await expect(open()).rejects.toMatchObject({ code: 'ERR_AUDIT_LOG' })
    tiles.files.delete('tile/0/000.p/10')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_AUDIT_LOG' })
  })

  it('a store with a gap', async () => {
    const entries = {
      sequence: () => Promise.resolve(),
      read: () => Promise.resolve([{ index: 1, entry: new Uint8Array() }]),
    }
    const log = await openAuditLog({ origin, signer, entries, tiles })
    await expect(log.integrate()).rejects.toThrow(/audit entry 1 where 0 was expected/)
  })

  it('options that it does not have', async () => {
    await expect(
      openAuditLog({ origin, signer, entries: storage.audit, tiles, witness: [] } as never),
    ).rejects.toThrow(/no option "witness"/)
  })
})
