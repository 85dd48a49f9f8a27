// The audit log, read by the packages that Go's checksum database is read with.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { encodeAuditRecord, formatNoteKey, openAuditLog } from '../../src/audit/index.ts'
import { createMemoryStorage } from '../../src/ca/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { requires } from '../support/requires.ts'
import { MemoryTiles } from '../unit/audit/memory-tiles.ts'

const present = requires('go')
const program = fileURLToPath(new URL('go-tlog', import.meta.url))

describe.skipIf(!present)("Go's sumdb packages", () => {
  it(
    'verify the note, the tiles, every record, our receipts and our consistency proofs; and refuse a ' +
      'changed tile',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tlog-'))
      try {
        const { audit } = createMemoryStorage()
        const tiles = new MemoryTiles()
        const signer = await SoftwareSigner.generate('Ed25519')
        const log = await openAuditLog({ origin: 'ca.example.org/audit', signer, entries: audit, tiles })
        const entry = (i: number): Uint8Array =>
          encodeAuditRecord({ event: 'issued', time: new Date(i), serialNumber: `${i}` })
        const older: { size: number; root: Uint8Array }[] = []
        let total = 0
        for (const count of [1, 254, 1, 1, 500, 143]) {
          await audit.append(Array.from({ length: count }, (_, i) => entry(total + i)))
          total += count
          older.push(await log.integrate())
        }
        const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64')
        const proofs = {
          receipts: await Promise.all(
            [0, 1, 255, 256, 511, 767, 768, 899].map(async (index) => {
              const { proof } = await log.receipt(index)
              return { index, entry: base64(entry(index)), proof: proof.map(base64) }
            }),
          ),
          older: await Promise.all(
            older.map(async ({ size, root }) => ({
              size,
              root: base64(root),
              proof: (await log.consistency(size)).map(base64),
            })),
          ),
        }
        write(folder, tiles.files)
        writeFileSync(join(folder, 'proofs.json'), JSON.stringify(proofs))
        const key = formatNoteKey(log.key)
        expect(go(folder, key)).toEqual({ status: 0, stdout: '900 records, 8 receipts, 6 older trees\n' })

        const changed = Buffer.from(tiles.files.get('tile/0/001')!)
        changed[40]! ^= 1
        write(folder, new Map([['tile/0/001', changed]]))
        expect(go(folder, key)).toMatchObject({ status: 1 })
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
    180_000,
  )
})

function write(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  for (const [path, octets] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), octets)
  }
}

function go(folder: string, key: string): { status: number | null; stdout: string } {
  const run = spawnSync('go', ['run', '.', folder, key], { cwd: program, encoding: 'utf8' })
  if (run.status !== 0 && run.stdout === '') throw new Error(run.stderr)
  return { status: run.status, stdout: run.stdout }
}
