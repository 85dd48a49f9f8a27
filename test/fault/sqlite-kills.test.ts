// A CA on SQLite that is killed at random points under load: what it answered is stored.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { CertificateRequest } from '../../src/x509/index.ts'
import { bundled, cheapScryptOptions, sqliteWorker } from '../support/bundled.ts'
import '../support/cheap-scrypt.ts'
import { CheckMemory, leftByService, rootPemOf, violationsOf } from '../support/check-invariants.ts'
import { crashService, prepareAnswers, readAnswers } from '../support/crash-fixture.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { temporaryFolders } from '../support/temporary.ts'

// The campaign is SPIFFE_PKI_KILLS=2000.
const kills = Number(process.env['SPIFFE_PKI_KILLS'] ?? 25)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const killsOfStore = 25
const newFolder = temporaryFolders('sqlite-kills-')
const writer = fileURLToPath(bundled('test/support/crash-writer.ts'))
const workerModule = sqliteWorker()

/** Starts the CA, and kills it a little after it has answered so often. */
async function runAndKill(directory: string, answers: number, delayMs: number): Promise<void> {
  const child = spawn(process.execPath, [...cheapScryptOptions(), writer, directory, workerModule.href], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [complaint, count] = ['', 0]
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
  child.stdout.on('data', ({ length }: Buffer) => {
    if (count < answers && (count += length) >= answers) setTimeout(() => child.kill('SIGKILL'), delayMs)
  })
  const [, signal] = (await once(child, 'exit')) as [unknown, NodeJS.Signals | null]
  expect({ signal, complaint }).toEqual({ signal: 'SIGKILL', complaint: '' })
}

/** Opens the CA that was left, and holds it to every invariant. */
async function check(directory: string, memory: CheckMemory): Promise<readonly string[]> {
  const rootPem = rootPemOf(directory)
  await using service = await crashService(directory, { workerModule })
  const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
  return await violationsOf(leftByService(service, directory, { csr, rootPem, answersIn: directory }), memory)
}

it(
  `keeps what it answered over ${kills} kills at random points under load`,
  async () => {
    console.log(`kills: seed ${seed}`)
    const random = new SeededRandom(seed)
    let [directory, memory] = ['', new CheckMemory()]
    const counted: Record<string, number> = {}
    for (let kill = 0; kill < kills; kill++) {
      if (kill % killsOfStore === 0) {
        await prepareAnswers((directory = newFolder()))
        memory = new CheckMemory()
      }
      // The first writes are the rarest moments, so they are hit more often than their share.
      await runAndKill(directory, 1 + random.integer(random.pick([20, 200, 1000])), random.integer(10))
      expect({ kill, violations: await check(directory, memory) }).toEqual({ kill, violations: [] })
      if ((kill + 1) % killsOfStore !== 0 && kill !== kills - 1) continue
      for (const { kind } of readAnswers(directory)) counted[kind] = (counted[kind] ?? 0) + 1
      console.log(`kills: ${kill + 1}; answered: ${JSON.stringify(counted)}`)
    }
    expect(counted['issued']).toBeGreaterThan(kills)
    for (const kind of ['revoked', 'list', 'checkpoint']) expect(counted[kind], kind).toBeGreaterThan(0)
  },
  60_000 + kills * 60_000,
)
