// A CA on SQLite that is killed at random points under load: what it answered is there afterwards.
// SPIFFE_PKI_KILLS=2000 runs the whole campaign; without it a sample of 50.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { bundled, sqliteWorker } from '../support/bundled.ts'
import { violationsOf } from '../support/check-invariants.ts'
import { crashAuthority, prepareCrashDirectory, readAnswers } from '../support/crash-fixture.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { temporaryFolders } from '../support/temporary.ts'

const kills = Number(process.env['SPIFFE_PKI_KILLS'] ?? 50)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const killsOfStore = 25
const newFolder = temporaryFolders('sqlite-kills-')
const writer = fileURLToPath(bundled('test/support/crash-writer.ts'))
const workerModule = sqliteWorker()

/** Starts the CA, and kills it a little after it has answered so often. */
async function runAndKill(directory: string, answers: number, delayMs: number): Promise<void> {
  const child = spawn(process.execPath, [writer, directory, workerModule.href], {
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

/** Opens the store that was left, and holds it to every invariant. */
async function check(directory: string, verified: Set<string>): Promise<readonly string[]> {
  await using storage = await createSqliteStorage({ path: join(directory, 'ca.sqlite'), workerModule })
  const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
  return await violationsOf(crashAuthority(directory, storage), readAnswers(directory), csr, verified)
}

it(
  `keeps what it answered over ${kills} kills at random points under load`,
  async () => {
    console.log(`kills: seed ${seed}`)
    const random = new SeededRandom(seed)
    let [directory, verified] = ['', new Set<string>()]
    const counted = { issued: 0, revoked: 0, list: 0, asked: 0 }
    for (let kill = 0; kill < kills; kill++) {
      if (kill % killsOfStore === 0) {
        await prepareCrashDirectory((directory = newFolder()))
        verified = new Set()
      }
      // The first writes are the rarest moments, so they are hit more often than their share.
      await runAndKill(directory, 1 + random.integer(random.pick([20, 200, 1000])), random.integer(10))
      expect({ kill, violations: await check(directory, verified) }).toEqual({ kill, violations: [] })
      if ((kill + 1) % killsOfStore !== 0 && kill !== kills - 1) continue
      for (const { kind } of readAnswers(directory)) counted[kind]++
      console.log(`kills: ${kill + 1}; answered: ${JSON.stringify(counted)}`)
    }
    expect(counted.issued).toBeGreaterThan(kills)
  },
  60_000 + kills * 60_000,
)
