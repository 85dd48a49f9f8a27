// The lease of a batch rotation: it is extended during the run, and a run that has lost it ends.

import { expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { PkiError } from '../../../src/errors/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import { BatchLease } from '../../../src/issuance/records/batch-lease.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest } from '../../support/pki.ts'

const thirdMs = 5000
const held = { name: 'batch-rotation', holder: 'a', epoch: 1 }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Leases whose answers a test gives, the last one again and again. */
function leasesOf(...answers: readonly (object | undefined | Error)[]) {
  const asked: unknown[] = []
  const released: unknown[] = []
  return {
    asked,
    released,
    acquire: async (...given: unknown[]) => {
      const answer = answers[Math.min(asked.length, answers.length - 1)]
      asked.push(given)
      if (answer instanceof Error) throw answer
      return answer
    },
    release: async (lease: unknown) => {
      released.push(lease)
    },
  }
}

async function heldFor(leases: object) {
  const clock = new FakeClock()
  return { clock, lease: await BatchLease.wait(leases as never, clock, undefined) }
}

it('is extended at each third of its duration, under one name, until it is released', async () => {
  const leases = leasesOf(held)
  const { clock, lease } = await heldFor(leases)
  for (let third = 0; third < 4; third++) {
    clock.advance(thirdMs)
    await turn()
  }
  expect(leases.asked).toEqual(Array.from({ length: 5 }, () => leases.asked[0]))
  expect(lease.isLost).toBe(false)
  await lease.release()
  expect(leases.released).toEqual([held])
  expect(clock.pending).toBe(0)
})

it.each([
  ['another process has it', undefined],
  ['it had ended, and is another one', { ...held, epoch: 2 }],
  ['the store is closed', new PkiError('ERR_CLOSED', 'closed')],
])('is lost where %s', async (_what, answer) => {
  const leases = leasesOf(held, answer)
  const { clock, lease } = await heldFor(leases)
  clock.advance(thirdMs)
  await turn()
  expect(lease.isLost).toBe(true)
  expect(clock.pending).toBe(0)
  await lease.release()
  expect(leases.released).toEqual([held])
})

it('is requested again after a failure of the store, which may answer before it ends', async () => {
  const leases = leasesOf(held, new Error('down'), held)
  const { clock, lease } = await heldFor(leases)
  for (const calls of [2, 3]) {
    clock.advance(thirdMs)
    await turn()
    expect(leases.asked).toHaveLength(calls)
  }
  expect(lease.isLost).toBe(false)
})

it('is not extended after its release, by an answer that was on its way', async () => {
  const leases = leasesOf(held)
  const { clock, lease } = await heldFor(leases)
  clock.advance(thirdMs)
  await lease.release()
  await turn()
  expect(clock.pending).toBe(0)
})

it('a run that has lost it renews nothing more', async () => {
  const clock = new FakeClock()
  const trustDomain = 'example.org'
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain, clock })
  const storage = { ...createMemoryStorage({ clock }), leases: leasesOf(held, undefined) as never }
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage, clock })
  const issuance = createIssuanceService({ authority, clock, pruneIntervalSeconds: Infinity })
  const { request: csr } = await newRequest()
  for (let i = 0; i < 3; i++) await issuance.issue({ csr, ttlSeconds: 3600 }, callerOf())
  const run = issuance.rotateExpiring({ thresholdSeconds: 7200, requestFor: () => csr, concurrency: 1 })
  expect((await run.next()).value).toMatchObject({ outcome: 'renewed' })
  clock.advance(thirdMs)
  await turn()
  await expect(run.next()).rejects.toThrow(code('ERR_LEASE_STALE'))
  const { items } = await storage.certificates.query({ limit: 10 })
  expect(items.filter(({ renews }) => renews !== undefined)).toHaveLength(1)
})
