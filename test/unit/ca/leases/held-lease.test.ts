// Holding a lease: renewed in time, given up at its end, taken over by another process.

import { describe, expect, it } from 'vitest'
import { createMemoryStorage, holdLease } from '../../../../src/ca/index.ts'
import type { LeaseStore } from '../../../../src/ca/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'

const ttlMs = 15_000
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function twoProcesses(clock = new FakeClock()) {
  const storage = createMemoryStorage({ clock })
  let isDown = false
  const leases: LeaseStore = {
    ...{ now: () => storage.leases.now(), release: (lease) => storage.leases.release(lease) },
    acquire: async (...call) => {
      if (isDown) throw new PkiError('ERR_STORE_UNAVAILABLE', 'down')
      return storage.leases.acquire(...call)
    },
  }
  const hold = (holder: string) => holdLease({ leases, name: 'leader', holder, ttlMs, clock })
  return { clock, storage, hold, setDown: (down: boolean) => (isDown = down) }
}

/** In steps, so that what is due can be answered. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1000) {
    clock.advance(1000)
    await turn()
  }
}

describe('a held lease', () => {
  it('is held by one process, renewed at a third of its life, with one epoch', async () => {
    const { clock, hold } = twoProcesses()
    await using first = await hold('a')
    await using second = await hold('b')
    const { fence } = first
    expect(fence).toEqual({ name: 'leader', epoch: 1 })
    await pass(clock, 10 * ttlMs)
    expect([first.fence, second.fence]).toEqual([fence, undefined])
  })

  it('goes to another process as soon as it is released', async () => {
    const { clock, hold } = twoProcesses()
    const first = await hold('a')
    await using second = await hold('b')
    await first[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()
    expect(first.fence).toBeUndefined()
    await pass(clock, ttlMs / 3)
    expect(second.fence?.epoch).toBeGreaterThan(1)
  })

  it('ends by its own clock before the store gives it to another', async () => {
    const { clock, storage, hold, setDown } = twoProcesses()
    await using first = await hold('a')
    setDown(true)
    await pass(clock, ttlMs * 0.8)
    expect(first.fence).toEqual({ name: 'leader', epoch: 1 })
    await pass(clock, ttlMs * 0.2)
    expect(first.fence).toBeUndefined()
    expect(await storage.leases.acquire('leader', 'b', ttlMs)).toMatchObject({ epoch: 2 })
    setDown(false)
    await pass(clock, ttlMs / 3)
    expect(first.fence).toBeUndefined()
    await pass(clock, 2 * ttlMs)
    expect(first.fence?.epoch).toBe(3)
  })

  it('performs nothing without it, and stops at a stale epoch', async () => {
    const { clock, storage, hold } = twoProcesses()
    await using first = await hold('a')
    await using second = await hold('b')
    expect(await second.lead(async () => 'done')).toBeUndefined()
    expect(await first.lead(async ({ epoch }) => epoch)).toBe(1)
    await expect(first.lead(() => Promise.reject(new PkiError('ERR_ABORTED', 'x')))).rejects.toEqual(
      code('ERR_ABORTED'),
    )
    // The store has given it away: the write of the first is refused, and it does not try again.
    await storage.leases.release({ name: 'leader', holder: 'a', epoch: 1, expiresAt: new Date(0) })
    expect(await first.lead((fence) => storage.audit.sequence(1, fence))).toBeUndefined()
    expect(first.fence).toBeUndefined()
    await pass(clock, ttlMs)
    expect([first.fence?.epoch, second.fence?.epoch].filter((epoch) => epoch !== undefined)).toHaveLength(1)
  })

  it('refuses options that make no lease', async () => {
    const { leases } = createMemoryStorage()
    for (const options of [{ name: '' }, { holder: '' }, { ttlMs: 0 }, { ttlMs: Number.NaN }, { life: 1 }])
      await expect(holdLease({ leases, name: 'x', ...options })).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })

  it('keeps no process alive and has no timer after its end', async () => {
    const { clock, hold } = twoProcesses()
    const first = await hold('a')
    expect(clock.pending).toBe(1)
    await first[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
  })
})
