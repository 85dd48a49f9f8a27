// A simulation of leaders: processes with pauses and clocks of their own, a network that delays and loses
// calls and answers, and a store with leases.

import { describe, expect, it } from 'vitest'
import { createMemoryStorage, holdLease } from '../../src/ca/index.ts'
import type { CaStorage, LeaseStore } from '../../src/ca/index.ts'
import { PkiError, isPkiError } from '../../src/errors/index.ts'
import type { Clock } from '../../src/runtime/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { anyKeyIdentifier } from '../../src/testing/contracts/storage/storage-fixtures.ts'
import { SeededRandom } from '../fuzz/random.ts'

// The campaign is SPIFFE_PKI_SEEDS=10000.
const seeds = Number(process.env['SPIFFE_PKI_SEEDS'] ?? 500)
const ttlMs = 9000
const stepMs = 250
const steps = 240
const issuer = anyKeyIdentifier()

/** What the store has accepted from leaders, in its order. */
interface Write {
  readonly epoch: number
  readonly number: bigint
  readonly process: string
}

/** One process: its own rate of time, which stands still while it is paused. */
class SimulatedProcess {
  readonly clock: FakeClock
  isPaused = false
  isCut = false
  /** Calls to the store and answers from it that are on their way. */
  readonly #delayed: { readonly atMs: number; readonly run: () => void }[] = []
  readonly #world: World
  readonly #rate: number

  constructor(world: World, rate: number) {
    this.#world = world
    this.#rate = rate
    this.clock = new FakeClock()
  }

  advance(ms: number): void {
    // A suspended process sees the time that has passed when it goes on: the system's monotonic clock ran.
    if (this.isPaused) this.#missedMs += ms
    else {
      const passed = (ms + this.#missedMs) * this.#rate
      this.#missedMs = 0
      // What has arrived is handled first, as answers that waited in the socket are.
      this.#deliver()
      this.clock.advance(passed)
    }
  }

  #missedMs = 0

  /** A call that reaches the store after a while, or never; and its answer. */
  async call<Answer>(perform: () => Promise<Answer>): Promise<Answer> {
    await this.#transit()
    if (this.isCut && this.#world.random.integer(2) === 0) throw lost()
    const answer = await perform().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    await this.#transit()
    if (this.isCut) throw lost()
    if ('error' in answer) throw answer.error
    return answer.value
  }

  #transit(): Promise<void> {
    const { random, nowMs, isCalm } = this.#world
    const isLong = !isCalm && random.integer(10) === 0
    const delay = random.integer(isLong ? 2 * ttlMs : 100)
    return new Promise((run) => this.#delayed.push({ atMs: nowMs + delay, run }))
  }

  #deliver(): void {
    const due = this.#delayed.filter(({ atMs }) => atMs <= this.#world.nowMs)
    for (const one of due) {
      this.#delayed.splice(this.#delayed.indexOf(one), 1)
      one.run()
    }
  }
}

const lost = (): PkiError => new PkiError('ERR_STORE_UNAVAILABLE', 'the answer is lost')

class World {
  readonly random: SeededRandom
  readonly storeClock = new FakeClock()
  readonly storage: CaStorage = createMemoryStorage({ clock: this.storeClock })
  readonly writes: Write[] = []
  readonly processes: SimulatedProcess[] = []
  nowMs = 0
  /** Nothing is disturbed, and nothing takes long. */
  isCalm = false

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
  }

  /** The leader's work: the next number after the one that it has read, with the fence of its lease. */
  async lead(name: string, process: SimulatedProcess): Promise<() => Promise<void>> {
    const { crls, leases } = this.storage
    const remote: LeaseStore = {
      acquire: (...call) => process.call(() => leases.acquire(...call)),
      release: (lease) => process.call(() => leases.release(lease)),
      now: () => process.call(() => leases.now()),
    }
    const clock: Clock = process.clock
    let lease: Awaited<ReturnType<typeof holdLease>> | undefined
    void holdLease({ leases: remote, name: 'ca', holder: name, ttlMs, clock }).then((held) => (lease = held))
    let isBusy = false
    return async () => {
      if (isBusy || lease === undefined) return
      isBusy = true
      try {
        await lease.lead(async (fence) => {
          const last = (await process.call(() => crls.last(issuer, '')))?.number
          const number = (last ?? 0n) + 1n
          const crl = { issuer, shard: '', number, crl: new Uint8Array(1), ...times }
          await process.call(async () => {
            await crls.publish(crl, { expectedNumber: last, fence })
            this.writes.push({ epoch: fence.epoch, number, process: name })
          })
        })
      } catch (error) {
        if (!isPkiError(error, 'ERR_STORE_UNAVAILABLE') && !isPkiError(error, 'ERR_STORE_CONFLICT'))
          throw error
      } finally {
        isBusy = false
      }
    }
  }

  /** Pauses, resumes, cuts and restores at random. */
  disturb(): void {
    for (const process of this.processes) {
      if (this.random.integer(20) === 0) process.isPaused = !process.isPaused
      if (this.random.integer(20) === 0) process.isCut = !process.isCut
    }
  }
}

const times = { thisUpdate: new Date(0), nextUpdate: new Date(1) }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function simulate(seed: number): Promise<World> {
  const world = new World(seed)
  const work: (() => Promise<void>)[] = []
  const failures: unknown[] = []
  for (let at = 0; at < 2 + world.random.integer(3); at++) {
    // Clocks run up to 5 % fast or slow.
    const process = new SimulatedProcess(world, 0.95 + world.random.integer(100) / 1000)
    world.processes.push(process)
    work.push(await world.lead(`p${at}`, process))
  }
  const step = async (): Promise<void> => {
    world.nowMs += stepMs
    world.storeClock.advance(stepMs)
    if (world.isCalm)
      for (const process of world.processes) Object.assign(process, { isPaused: false, isCut: false })
    else world.disturb()
    for (const [at, process] of world.processes.entries()) {
      process.advance(stepMs)
      if (!process.isPaused) void work[at]!().catch((error: unknown) => failures.push(error))
    }
    await turn()
  }
  for (let at = 0; at < steps; at++) await step()
  const before = world.writes.length
  world.isCalm = true
  // Undisturbed, somebody leads again and writes.
  for (let at = 0; at < (6 * ttlMs) / stepMs; at++) await step()
  expect({ seed, failures, goesOn: world.writes.length > before }).toEqual({
    seed,
    failures: [],
    goesOn: true,
  })
  return world
}

describe('leaders', () => {
  it(
    `over ${seeds} seeds: no number twice, no write of an earlier epoch after a later one, and work goes on`,
    async () => {
      let [epochs, writes] = [0, 0]
      for (let seed = 1; seed <= seeds; seed++) {
        const world = await simulate(seed)
        const numbers = world.writes.map(({ number }) => number)
        const order = world.writes.map(({ epoch }) => epoch)
        expect([seed, new Set(numbers).size]).toEqual([seed, numbers.length])
        expect([seed, numbers]).toEqual([seed, numbers.toSorted((a, b) => (a < b ? -1 : 1))])
        expect([seed, order]).toEqual([seed, order.toSorted((a, b) => a - b)])
        for (const [at, { epoch, process }] of world.writes.entries()) {
          const before = world.writes[at - 1]
          // One epoch is of one process.
          if (before?.epoch === epoch) expect([seed, before.process]).toEqual([seed, process])
        }
        epochs += new Set(order).size
        writes += order.length
      }
      console.log(`leaders: ${seeds} seeds, ${epochs} epochs, ${writes} writes`)
      expect(epochs).toBeGreaterThan(2 * seeds)
    },
    60_000 + seeds * 1000,
  )
})
