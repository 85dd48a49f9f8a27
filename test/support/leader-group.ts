// Several CA processes on one PostgreSQL, each behind a proxy of its own, whose leader is taken over from.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import type { CaStorage } from '../../src/ca/index.ts'
import { prepareCrashDirectory } from './crash-fixture.ts'
import { startCutProxy } from './cut-proxy.ts'
import type { CutProxy } from './cut-proxy.ts'
import type { Deed } from './leader-process.ts'
import { startPostgres } from './postgres.ts'
import type { PostgresServer } from './postgres.ts'

interface Member {
  readonly name: string
  readonly proxy: CutProxy
  process: ChildProcess
}

/** What happens to a leader. */
export const disturbances = [
  'stop',
  'kill',
  'cut',
  'cut at COMMIT, then stop',
  'terminate, then stop',
] as const

/** A group with a server of its own. */
export class LeaderGroup implements AsyncDisposable {
  readonly directory: string
  readonly storage: CaStorage
  /** What the processes said to their standard error. */
  readonly complaints: string[] = []
  readonly #server: PostgresServer
  readonly #schema: string
  readonly #program: string
  readonly #members: Member[] = []

  private constructor(given: { directory: string; program: string; schema: string } & Opened) {
    this.directory = given.directory
    this.storage = given.storage
    this.#server = given.server
    this.#schema = given.schema
    this.#program = given.program
  }

  /** Starts so many processes of a program, which is leader-process.ts as one file. */
  static async start(program: string, directory: string, count: number): Promise<LeaderGroup> {
    const server = await startPostgres()
    const schema = server.newSchema()
    await prepareCrashDirectory(directory)
    const storage = await createPostgresStorage({ connection: server.connection, schema })
    const group = new LeaderGroup({ directory, program, schema, server, storage })
    const names = ['a', 'b', 'c', 'd'].slice(0, count)
    await Promise.all(names.map((name) => group.#join(name)))
    return group
  }

  get size(): number {
    return this.#members.length
  }

  /** The leader's epoch. */
  async epoch(): Promise<number> {
    return (await this.#leaseRow()).epoch
  }

  /** Disturbs the leader until another one has published, and for so long at least. */
  async takeOver(kind: (typeof disturbances)[number], atLeastMs: number): Promise<void> {
    const { holder, epoch } = await this.#leaseRow()
    const leader = this.#members.find(({ name }) => name === holder) ?? (this.#members[0] as Member)
    const isOver = new Promise((resolve) => setTimeout(resolve, atLeastMs))
    const undo = await this.#disturb(kind, leader)
    await expect
      .poll(() => this.#leaseRow(), patience)
      .toSatisfy((row: LeaseRow) => row.holder !== '' && row.epoch > epoch)
    const before = await this.#lastNumber()
    await expect.poll(() => this.#lastNumber(), patience).not.toBe(before)
    await isOver
    await undo()
  }

  /** Kills the processes; what they did, in the order of each. */
  async end(): Promise<readonly Deed[]> {
    for (const { process, proxy } of this.#members) {
      await killed(process)
      await proxy[Symbol.asyncDispose]()
    }
    return this.#members.flatMap(({ name }) =>
      readFileSync(this.#deedsOf(name), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Deed),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#members) await killed(process)
    await this.storage[Symbol.asyncDispose]()
    await this.#server.stop()
  }

  async #join(name: string): Promise<void> {
    writeFileSync(this.#deedsOf(name), '')
    const proxy = await startCutProxy(this.#server.host)
    this.#members.push({ name, proxy, process: await this.#startProcess(name, proxy) })
  }

  /** A process that is ready. One that cannot open the store on a busy machine is started again. */
  async #startProcess(name: string, proxy: CutProxy): Promise<ChildProcess> {
    const args = [this.#program, String(proxy.port), this.#schema, this.directory, this.#deedsOf(name), name]
    for (let attempt = 1; ; attempt++) {
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      const said: string[] = []
      child.stderr.on('data', (text: Buffer) => said.push(text.toString()))
      const ready = once(child.stdout, 'data').then(() => true)
      const isReady = await Promise.race([ready, once(child, 'close').then(() => false)])
      if (isReady) {
        child.stderr.on('data', (text: Buffer) => this.complaints.push(text.toString()))
        this.complaints.push(...said)
        return child
      }
      if (attempt === 5 || !said.join('').includes('ERR_STORE_UNAVAILABLE'))
        throw new Error(`process ${name} ended: ${said.join('')}`)
    }
  }

  /** Returns what is done once another process leads. */
  async #disturb(kind: (typeof disturbances)[number], leader: Member): Promise<() => unknown> {
    const { proxy, process: child } = leader
    if (kind === 'kill') {
      await killed(child)
      return async () => (leader.process = await this.#startProcess(leader.name, proxy))
    }
    if (kind === 'cut') {
      proxy.cut()
      return () => proxy.restore()
    }
    if (kind === 'cut at COMMIT, then stop') await proxy.cutAtCommit()
    child.kill('SIGSTOP')
    if (kind === 'terminate, then stop')
      await this.#server.sql(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
          `WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
      )
    return () => child.kill('SIGCONT')
  }

  async #leaseRow(): Promise<LeaseRow> {
    const [row] = await this.#server.sql(`SELECT holder, epoch FROM ${this.#schema}.leases WHERE name = 'ca'`)
    return { holder: String(row?.['holder']), epoch: Number(row?.['epoch']) }
  }

  async #lastNumber(): Promise<bigint | undefined> {
    return (await this.storage.crls.list())[0]?.number
  }

  #deedsOf(name: string): string {
    return join(this.directory, `${name}.jsonl`)
  }
}

/** On a machine that is busy, a statement may take all of its time limit, again and again. */
const patience = { timeout: 600_000, interval: 50 }

interface Opened {
  readonly server: PostgresServer
  readonly storage: CaStorage
}

interface LeaseRow {
  readonly holder: string
  readonly epoch: number
}

/** Kills a process and waits for its end; one that ended by itself has complained. */
async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
