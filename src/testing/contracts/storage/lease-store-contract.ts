// The contract of lease stores: one holder at a time, and an epoch with which writes of earlier holders are
// refused.

import { randomUUID } from 'node:crypto'
import type { CaStorage } from '../../../ca/index.ts'
import type { Lease } from '../../../ca/internal.ts'
import { holds, refused, same } from '../contract-case.ts'
import type { ContractCase } from '../contract-case.ts'
import { casesOf } from './storage-cases.ts'
import type { CaStorageContractOptions } from './storage-cases.ts'

/** The cases of `LeaseStore`. */
export function leaseStoreContract(options: CaStorageContractOptions): readonly ContractCase[] {
  return casesOf(options, {
    'gives a lease to one holder at a time': async ({ leases }) => {
      const name = randomUUID()
      const taken = await Promise.all(['a', 'b', 'c'].map((holder) => leases.acquire(name, holder, 60_000)))
      const held = taken.filter((lease) => lease !== undefined)
      same(held.length, 1, 'holders of one lease')
      const [lease] = held
      const again = await leases.acquire(name, lease?.holder ?? '', 60_000)
      same(again?.epoch, lease?.epoch, 'the epoch after the holder extended its lease')
    },
    'refuses a lease without a name, a holder or a time': async ({ leases }) => {
      const name = randomUUID()
      for (const [given, holder, ttlMs] of [
        ['', 'a', 1000],
        [name, '', 1000],
        [name, 'a', 0],
        [name, 'a', Number.NaN],
        [name, 'a', Infinity],
      ] as const)
        await refused('ERR_INVALID_ARGUMENT', leases.acquire(given, holder, ttlMs))
      holds((await leases.acquire(name, 'b', 1000)) !== undefined, 'a refused call has left a lease')
    },
    'gives an expired lease to another holder, with a greater epoch': async ({ leases }) => {
      const name = randomUUID()
      const first = await leases.acquire(name, 'a', 20)
      const second = await acquired(leases, name, 'b')
      holds(second.epoch > (first?.epoch ?? Infinity), 'the epoch did not grow')
      same(await leases.acquire(name, 'a', 1000), undefined, 'the lease that another holder has')
    },
    'gives a released lease to another holder': async ({ leases }) => {
      const name = randomUUID()
      const first = await leases.acquire(name, 'a', 60_000)
      if (first !== undefined) await leases.release(first)
      const second = await leases.acquire(name, 'b', 60_000)
      holds((second?.epoch ?? 0) > (first?.epoch ?? Infinity), 'the epoch did not grow')
      if (first !== undefined) await leases.release(first)
      same(await leases.acquire(name, 'c', 60_000), undefined, 'the lease after a stale release')
    },
    'has a clock': async ({ leases }) => {
      const before = await leases.now()
      const lease = await leases.acquire(randomUUID(), 'a', 60_000)
      holds((lease?.expiresAt.getTime() ?? 0) >= before.getTime() + 60_000, 'the lease ends before its time')
    },
  })
}

/** Expects a write to be refused with the lease of an earlier holder. */
export async function withStaleFence(
  leases: CaStorage['leases'],
  write: (fence: Lease) => Promise<unknown>,
): Promise<void> {
  const name = randomUUID()
  const stale = await leases.acquire(name, 'a', 60_000)
  if (stale === undefined) throw new Error('a free lease was not acquired')
  await leases.release(stale)
  await refused('ERR_LEASE_STALE', write(stale))
  await acquired(leases, name, 'b')
  await refused('ERR_LEASE_STALE', write(stale))
  await refused('ERR_LEASE_STALE', write({ ...stale, name: randomUUID() }))
}

/** Waits for the end of another holder's lease; at most 5 s. */
export async function acquired(leases: CaStorage['leases'], name: string, holder: string): Promise<Lease> {
  for (let tries = 0; tries < 200; tries++) {
    const lease = await leases.acquire(name, holder, 60_000)
    if (lease !== undefined) return lease
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the lease was not given to another holder')
}
