// Three CA processes on one PostgreSQL; the leader is stopped, killed, cut off and loses its connections in
// the middle of a COMMIT. SPIFFE_PKI_TAKEOVERS=200 runs the whole campaign; without it a sample of four.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import type { SerialNumber } from '../../src/x509/index.ts'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled } from '../support/bundled.ts'
import { crashAuthority, prepareCrashDirectory } from '../support/crash-fixture.ts'
import { startCutProxy } from '../support/cut-proxy.ts'
import type { CutProxy } from '../support/cut-proxy.ts'
import type { Deed } from '../support/leader-process.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const takeovers = Number(process.env['SPIFFE_PKI_TAKEOVERS'] ?? 4)
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const newFolder = temporaryFolders('leaders-')

interface Member {
  readonly name: string
  readonly proxy: CutProxy
  process: ChildProcess
}

describe.skipIf(!requires('postgres'))('leaders', () => {
  let server: PostgresServer
  let program = ''
  beforeAll(async () => {
    program = fileURLToPath(bundled('test/support/leader-process.ts'))
    server = await startPostgres()
  }, 60_000)
  afterAll(() => server.stop())

  it(
    `number no list twice and lose no revocation over ${takeovers} forced takeovers`,
    async () => {
      console.log(`takeovers: seed ${seed}`)
      const random = new SeededRandom(seed)
      const [directory, schema] = [newFolder(), server.newSchema()]
      await prepareCrashDirectory(directory)
      await using storage = await createPostgresStorage({ connection: server.connection, schema })
      const deedsFile = (name: string): string => join(directory, `${name}.jsonl`)
      const complaints: string[] = []
      /** A process that is ready. One that cannot open the store on a busy machine is started again. */
      const start = async (name: string, proxy: CutProxy): Promise<ChildProcess> => {
        const args = [program, String(proxy.port), schema, directory, deedsFile(name), name]
        for (let attempt = 1; ; attempt++) {
          const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
          const said: string[] = []
          child.stderr.on('data', (text: Buffer) => said.push(text.toString()))
          const ready = once(child.stdout, 'data').then(() => true)
          const isReady = await Promise.race([ready, once(child, 'close').then(() => false)])
          if (isReady) {
            child.stderr.on('data', (text: Buffer) => complaints.push(text.toString()))
            complaints.push(...said)
            return child
          }
          if (attempt === 5 || !said.join('').includes('ERR_STORE_UNAVAILABLE'))
            throw new Error(`process ${name} ended: ${said.join('')}`)
        }
      }
      const members = await Promise.all(
        ['a', 'b', 'c'].map(async (name): Promise<Member> => {
          writeFileSync(deedsFile(name), '')
          const proxy = await startCutProxy(server.host)
          return { name, proxy, process: await start(name, proxy) }
        }),
      )
      const leaseRow = async (): Promise<{ readonly holder: string; readonly epoch: number }> => {
        const [row] = await server.sql(`SELECT holder, epoch FROM ${schema}.leases WHERE name = 'ca'`)
        return { holder: String(row?.['holder']), epoch: Number(row?.['epoch']) }
      }
      const nextEpoch = async (after: number): Promise<void> =>
        expect
          .poll(leaseRow, { timeout: 60_000, interval: 50 })
          .toSatisfy(({ holder, epoch }: { holder: string; epoch: number }) => holder !== '' && epoch > after)
      const lastNumber = async (): Promise<bigint | undefined> => (await storage.crls.list())[0]?.number
      /** Returns what is done once another process leads. */
      const disturb: Readonly<Record<string, (leader: Member) => Promise<() => unknown>>> = {
        stop: async ({ process: child }) => {
          child.kill('SIGSTOP')
          return () => child.kill('SIGCONT')
        },
        kill: async (leader) => {
          await killed(leader.process)
          return async () => (leader.process = await start(leader.name, leader.proxy))
        },
        cut: async ({ proxy }) => {
          proxy.cut()
          return () => proxy.restore()
        },
        'cut at COMMIT, then stop': async ({ proxy, process: child }) => {
          await proxy.cutAtCommit()
          child.kill('SIGSTOP')
          return () => child.kill('SIGCONT')
        },
        'terminate, then stop': async ({ process: child }) => {
          child.kill('SIGSTOP')
          await server.sql(
            'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
              `WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
          )
          return () => child.kill('SIGCONT')
        },
      }
      const counted: Record<string, number> = {}
      for (let turn = 0; turn < takeovers; turn++) {
        const { holder, epoch } = await leaseRow()
        const leader = members.find(({ name }) => name === holder) ?? (members[0] as Member)
        const kind = random.pick(Object.keys(disturb))
        counted[kind] = (counted[kind] ?? 0) + 1
        const undo = await disturb[kind]!(leader)
        await nextEpoch(epoch)
        // The new leader has published before the old one goes on.
        const before = await lastNumber()
        await expect.poll(lastNumber, { timeout: 60_000, interval: 50 }).not.toBe(before)
        await undo()
      }
      const { epoch: last } = await leaseRow()
      for (const member of members) {
        await killed(member.process)
        await member.proxy[Symbol.asyncDispose]()
      }
      const deeds = members.flatMap(({ name }) =>
        readFileSync(deedsFile(name), 'utf8')
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as Deed),
      )
      const of = <Kind extends Deed['kind']>(kind: Kind) =>
        deeds.filter((deed): deed is Extract<Deed, { kind: Kind }> => deed.kind === kind)
      console.log(
        `takeovers: ${JSON.stringify(counted)}; last epoch ${last}; lists ${of('list').length}, ` +
          `revocations ${of('revoked').length}, stale writes refused ${of('stale').length}`,
      )
      expect(complaints).toEqual([])
      expect(last).toBeGreaterThan(takeovers)
      // Never two numbers alike, and a higher number is never of an earlier epoch.
      const lists = of('list').toSorted((a, b) => (BigInt(a.number) < BigInt(b.number) ? -1 : 1))
      expect(new Set(lists.map(({ number }) => number)).size).toBe(lists.length)
      const epochs = lists.map(({ epoch }) => epoch)
      expect(epochs).toEqual(epochs.toSorted((a, b) => a - b))
      expect(new Set(epochs).size).toBeGreaterThan(takeovers / 3)
      // Never two entries with one index, and a later index is never of an earlier epoch.
      const sequenced = of('sequenced').toSorted((a, b) => a.from - b.from)
      sequenced.forEach(({ from, epoch }, at) => {
        const before = sequenced[at - 1]
        if (before !== undefined)
          expect([from >= before.from + before.count, epoch >= before.epoch]).toEqual([true, true])
      })
      // Never a lost revocation.
      const list = await crashAuthority(directory, storage).issueCrl({ fresh: true })
      expect((list.crlNumber as bigint) > BigInt(lists.at(-1)?.number ?? 0)).toBe(true)
      const lost = of('revoked').filter(
        ({ serialNumber }) => list.find(serialNumber as SerialNumber) === undefined,
      )
      expect(lost).toEqual([])
    },
    120_000 + takeovers * 30_000,
  )
})

/** Kills a process and waits for its end; one that ended by itself has complained. */
async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
