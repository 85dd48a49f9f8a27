// A CA that is killed while it makes a backup or rotates a batch: no incomplete archive has a final name, and
// no certificate is renewed twice.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import '../support/cheap-scrypt.ts'
import type { CertificateRecord } from '../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { createCaService, restoreBackup, verifyBackup } from '../../src/service/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled, cheapScryptOptions, sqliteWorker } from '../support/bundled.ts'
import { leftByService, rootPemOf, violationsOf } from '../support/check-invariants.ts'
import { crashCaller } from '../support/crash-fixture.ts'
import { temporaryFolders } from '../support/temporary.ts'

const kills = Math.ceil(Number(process.env['SPIFFE_PKI_KILLS'] ?? 50) / 10)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const newFolder = temporaryFolders('backup-kills-')
const writer = fileURLToPath(bundled('test/support/backup-writer.ts'))
const workerModule = sqliteWorker()
const passphrase = () => 'another passphrase for tests'

/** Starts the writer, and kills it a time after it has said so many lines; what it said. */
async function runAndKill(
  args: readonly string[],
  lines: number,
  delayMs: number,
): Promise<readonly string[]> {
  const child = spawn(
    process.execPath,
    [...cheapScryptOptions(), writer, args[0]!, workerModule.href, ...args.slice(1)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let [said, complaint, isArmed] = ['', '', false]
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString()
    if (isArmed || said.split('\n').length <= lines) return
    isArmed = true
    setTimeout(() => child.kill('SIGKILL'), delayMs)
  })
  await once(child, 'exit')
  expect(complaint).toBe('')
  return said.split('\n').slice(0, -1)
}

async function newCa(): Promise<{ directory: string; signer: SoftwareSigner }> {
  const directory = join(newFolder(), 'ca')
  const signer = await SoftwareSigner.generate('P-256')
  writeFileSync(`${directory}.key`, exportPrivateKey(signer.privateKey()), { mode: 0o600 })
  return { directory, signer }
}

const open = (directory: string) =>
  createCaService({
    directory,
    trustDomain: 'example.org',
    passphrase: () => 'a passphrase for tests',
    workerModule,
  })

it(
  `leaves no half archive under a name over ${kills} kills`,
  async () => {
    console.log(`backup kills: seed ${seed}`)
    const random = new SeededRandom(seed)
    const { directory } = await newCa()
    let verified = 0
    for (let kill = 0; kill < kills; kill++) {
      const archives = join(newFolder(), 'archives')
      mkdirSync(archives)
      const said = await runAndKill(
        [directory, 'backup', archives],
        1 + random.integer(3),
        random.integer(300),
      )
      const named = readdirSync(archives).filter((name) => name.startsWith('archive-'))
      for (const name of said.slice(1)) expect(named).toContain(name)
      for (const name of named) {
        await verifyBackup({
          path: join(archives, name),
          passphrase,
          keyPassphrase: () => 'a passphrase for tests',
          workerModule,
        })
        verified++
      }
      rmSync(archives, { recursive: true })
    }
    console.log(`backup kills: ${kills}; archives verified: ${verified}`)
    expect(verified).toBeGreaterThan(0)
    // The copies that were left are gone with the next backup, and what it is restored to goes on.
    const last = join(newFolder(), 'last')
    {
      const rootPem = rootPemOf(directory)
      await using service = await open(directory)
      await service.backup({ path: last, passphrase })
      expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([])
      expect(await violationsOf(leftByService(service, directory, { rootPem }))).toEqual([])
    }
    const restored = join(newFolder(), 'ca')
    await restoreBackup({ path: last, directory: restored, passphrase, workerModule })
    await using service = await open(restored)
    expect(await violationsOf(leftByService(service, restored))).toEqual([])
  },
  60_000 + kills * 20_000,
)

it('rotates each certificate of a batch once over several kills', async () => {
  const random = new SeededRandom(seed)
  const { directory, signer } = await newCa()
  const csr = await buildCertificateRequest({}, signer)
  const count = 200
  {
    await using service = await open(directory)
    const issue = () => service.issuance.issue({ csr, ttlSeconds: 3600 }, crashCaller)
    await Promise.all(Array.from({ length: count }, issue))
  }
  const told = new Set<string>()
  for (let run = 0; run < 3; run++)
    for (const line of await runAndKill([directory, 'rotate'], 20 + random.integer(40), random.integer(5))) {
      const [outcome, serial = ''] = line.split(' ')
      if (outcome !== 'renewed') continue
      expect(told.has(serial), `${serial} was renewed twice`).toBe(false)
      told.add(serial)
    }
  expect(told.size).toBeGreaterThan(0)
  expect(told.size).toBeLessThan(count)
  await using service = await open(directory)
  const options = { thresholdSeconds: 7200, requestFor: () => csr }
  for await (const { outcome, error } of service.issuance.rotateExpiring(options))
    expect(outcome, String(error)).not.toBe('failed')
  const records: CertificateRecord[] = []
  let after: string | undefined
  do {
    const page = await service.storage.certificates.query({ limit: 1000, after })
    records.push(...page.items)
    after = page.next
  } while (after !== undefined)
  const issued = records.filter(({ state }) => state === 'issued')
  const renewed = issued.flatMap(({ renews }) => renews?.serialNumber ?? [])
  expect(new Set(renewed).size).toBe(renewed.length)
  expect(renewed).toHaveLength(count)
  expect(await violationsOf(leftByService(service, directory))).toEqual([])
}, 240_000)
