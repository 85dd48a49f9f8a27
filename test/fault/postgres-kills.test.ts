// Two CA processes on one PostgreSQL that are killed at random points under load: what they answered is
// stored.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { CertificateRequest } from '../../src/x509/index.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled, cheapScryptOptions } from '../support/bundled.ts'
import '../support/cheap-scrypt.ts'
import { CheckMemory, leftByService, rootPemOf, violationsOf } from '../support/check-invariants.ts'
import { crashPassphrase, crashService, prepareAnswers, readAnswers } from '../support/crash-fixture.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

// The campaign is SPIFFE_PKI_KILLS=2000.
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
    const args = [...cheapScryptOptions(), writer, directory, server.host, schema]
    const children = ['a', 'b'].map((name) =>
      spawn(process.execPath, [...args, name], { stdio: ['ignore', 'pipe', 'pipe'] }),
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

  /** Opens the CA that was left, in the directory of the first process, and holds it to every invariant. */
  async function check(directory: string, schema: string, memory: CheckMemory): Promise<readonly string[]> {
    await endLeases(schema)
    const own = join(directory, 'a')
    const rootPem = rootPemOf(own)
    await using storage = await createPostgresStorage({ connection: server.connection, schema })
    await using keys = await FileKeyManager.open({
      directory: join(directory, 'keys'),
      passphrase: () => crashPassphrase,
    })
    await using service = await crashService(own, { storage, keys })
    const csr = CertificateRequest.fromPem(readFileSync(join(directory, 'csr.pem'), 'utf8'))
    const given = { csr, rootPem, answersIn: directory }
    return await violationsOf({ ...leftByService(service, own, given), directory }, memory)
  }

  /** A killed leader keeps its lease for 15 s; for a test they have passed. */
  async function endLeases(schema: string): Promise<void> {
    await server.sql(`UPDATE ${schema}.leases SET expires_at_ms = 0`)
  }

  it(
    `keep what they answered over ${kills} kills at random points under load`,
    async () => {
      console.log(`kills: seed ${seed}`)
      const random = new SeededRandom(seed)
      let [directory, schema, memory] = ['', '', new CheckMemory()]
      const counted: Record<string, number> = {}
      for (let kill = 0; kill < kills; kill++) {
        if (kill % killsOfStore === 0) {
          await prepareAnswers((directory = newFolder()))
          schema = server.newSchema()
          memory = new CheckMemory()
        }
        // The first writes are the rarest moments, so they are hit more often than their share.
        const answers = 1 + random.integer(random.pick([20, 200, 1000]))
        await runAndKill(directory, schema, answers, [random.integer(10), random.integer(10)])
        // Every few kills the server is killed too: its log is what is left.
        if (random.integer(5) === 0) await server.crash()
        const violations = await check(directory, schema, memory)
        expect({ kill, violations }).toEqual({ kill, violations: [] })
        if ((kill + 1) % killsOfStore !== 0 && kill !== kills - 1) continue
        for (const { kind } of readAnswers(directory)) counted[kind] = (counted[kind] ?? 0) + 1
        console.log(`kills: ${kill + 1}; answered: ${JSON.stringify(counted)}`)
      }
      expect(counted['issued']).toBeGreaterThan(kills)
    },
    60_000 + kills * 60_000,
  )
})
