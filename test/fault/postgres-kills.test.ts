// Two CA processes on one PostgreSQL that are killed at random points under load: what they answered is there
// afterwards. SPIFFE_PKI_KILLS=2000 runs the whole campaign; without it a sample of six.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled } from '../support/bundled.ts'
import { violationsOf } from '../support/check-invariants.ts'
import { crashAuthority, prepareCrashDirectory, readAnswers } from '../support/crash-fixture.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const kills = Number(process.env['SPIFFE_PKI_KILLS'] ?? 6)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const killsOfStore = 25
const newFolder = temporaryFolders('postgres-kills-')

describe.skipIf(!requires('postgres'))('processes that are killed', () => {
  let server: PostgresServer
  let writer = ''
  beforeAll(async () => {
    writer = fileURLToPath(bundled('test/support/postgres-crash-writer.ts'))
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  /** Starts two processes, and kills both a little after they have answered so often. */
  async function runAndKill(
    directory: string,
    schema: string,
    answers: number,
    delaysMs: readonly [number, number],
  ): Promise<void> {
    const args = [writer, directory, server.host, schema]
    const children = [[...args, 'publishes'], args].map((one) =>
      spawn(process.execPath, one, { stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    let [complaint, count] = ['', 0]
    const counted = ({ length }: Buffer): void => {
      if (count >= answers || (count += length) < answers) return
      children.forEach((child, at) => setTimeout(() => child.kill('SIGKILL'), delaysMs[at]))
    }
    for (const child of children) {
      child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
      child.stdout.on('data', counted)
    }
    const exits = await Promise.all(children.map((child) => once(child, 'exit')))
    const signals = exits.map(([, signal]) => signal as unknown)
    expect({ signals, complaint }).toEqual({ signals: ['SIGKILL', 'SIGKILL'], complaint: '' })
  }

  /** Opens the store that was left, and holds it to every invariant. */
  async function check(directory: string, schema: string, verified: Set<string>): Promise<readonly string[]> {
    await using storage = await createPostgresStorage({ connection: server.connection, schema })
    const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
    return await violationsOf(crashAuthority(directory, storage), readAnswers(directory), csr, verified)
  }

  it(
    `keep what they answered over ${kills} kills at random points under load`,
    async () => {
      console.log(`kills: seed ${seed}`)
      const random = new SeededRandom(seed)
      let [directory, schema, verified] = ['', '', new Set<string>()]
      const counted = { issued: 0, revoked: 0, list: 0, asked: 0 }
      for (let kill = 0; kill < kills; kill++) {
        if (kill % killsOfStore === 0) {
          await prepareCrashDirectory((directory = newFolder()))
          schema = server.newSchema()
          verified = new Set()
        }
        // The first writes are the rarest moments, so they are hit more often than their share.
        const answers = 1 + random.integer(random.pick([20, 200, 1000]))
        await runAndKill(directory, schema, answers, [random.integer(10), random.integer(10)])
        // Every few kills the server is killed too: its log is what is left.
        if (random.integer(5) === 0) await server.crash()
        const violations = await check(directory, schema, verified)
        expect({ kill, violations }).toEqual({ kill, violations: [] })
        if ((kill + 1) % killsOfStore !== 0 && kill !== kills - 1) continue
        for (const { kind } of readAnswers(directory)) counted[kind]++
        console.log(`kills: ${kill + 1}; answered: ${JSON.stringify(counted)}`)
      }
      expect(counted.issued).toBeGreaterThan(kills)
    },
    60_000 + kills * 60_000,
  )
})
