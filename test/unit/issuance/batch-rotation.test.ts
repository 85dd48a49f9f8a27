// Batch rotation: each certificate once, whatever ends a run; failures are outcomes.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createMemoryStorage,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { CertificateRecord } from '../../../src/ca/index.ts'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../../src/issuance/issuance-service-options.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import type { SerialNumber } from '../../../src/x509/index.ts'
import { callerOf, newRequest, workloadId } from '../../support/pki.ts'
import { recordsOf } from '../../support/storage.ts'
import { code } from '../../support/codes.ts'

const { request: csr } = await newRequest()
const signer = await SoftwareSigner.generate('P-256')
const threshold = { thresholdSeconds: 7200, requestFor: () => csr }

/** A CA with so many certificates that live for an hour. */
async function caWith(count: number, options: Partial<IssuanceServiceOptions> = {}) {
  const clock = new FakeClock()
  const trustDomain = 'example.org'
  const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain, clock })
  const storage = createMemoryStorage({ clock })
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, storage, clock })
  const issuance = createIssuanceService({ authority, clock, pruneIntervalSeconds: Infinity, ...options })
  const serials: SerialNumber[] = []
  for (let i = 0; i < count; i++)
    serials.push((await issuance.issue({ csr, ttlSeconds: 3600 }, callerOf())).certificate.serialNumber)
  const records = () => recordsOf(storage.certificates)
  return { clock, authority, issuance, serials, records, certificates: storage.certificates }
}

/** How often each certificate has an issued successor. */
function successors(records: readonly CertificateRecord[]): Map<string, number> {
  const found = new Map<string, number>()
  for (const { renews, state } of records)
    if (renews !== undefined && state === 'issued')
      found.set(renews.serialNumber, (found.get(renews.serialNumber) ?? 0) + 1)
  return found
}

async function outcomesOf(results: AsyncIterable<{ readonly outcome: string }>): Promise<string[]> {
  const found: string[] = []
  for await (const { outcome } of results) found.push(outcome)
  return found.sort()
}

describe('rotateExpiring', () => {
  it('renews each certificate once, with times and progress; a second run has nothing to do', async () => {
    const { issuance, serials, records } = await caWith(7)
    const options = { ...threshold, batchSize: 3, concurrency: 2 }
    const results = []
    for await (const result of issuance.rotateExpiring(options)) results.push(result)
    expect(results.map(({ serialNumber }) => serialNumber).sort()).toEqual([...serials].sort())
    expect(results.at(-1)?.progress).toEqual({ renewed: 7, skipped: 0, failed: 0 })
    for (const { startedAt, endedAt, answer, error } of results) {
      expect(endedAt >= startedAt && error === undefined).toBe(true)
      expect(answer?.certificate.publicKey.equals(csr.publicKey)).toBe(true)
    }
    expect([...successors(await records()).values()]).toEqual(serials.map(() => 1))
    const again = await outcomesOf(issuance.rotateExpiring({ ...options, thresholdSeconds: 3000 }))
    expect(again).toEqual([])
  })

  it('takes only what expires within the threshold', async () => {
    const { issuance, clock, records } = await caWith(2)
    clock.advance(1_800_000)
    await issuance.issue({ csr, ttlSeconds: 3600 }, callerOf())
    expect(await outcomesOf(issuance.rotateExpiring({ ...threshold, thresholdSeconds: 2000 }))).toEqual([
      'renewed',
      'renewed',
    ])
    expect(successors(await records()).size).toBe(2)
  })

  it('does not renew what its holder has renewed, and what has no standing request', async () => {
    const { issuance, serials } = await caWith(3)
    await issuance.renew(serials[0]!, { csr, ttlSeconds: 9000 }, callerOf())
    const requestFor = ({ serialNumber }: CertificateRecord) =>
      Promise.resolve(serialNumber === serials[1] ? undefined : csr)
    expect(await outcomesOf(issuance.rotateExpiring({ ...threshold, requestFor }))).toEqual([
      'renewed',
      'skipped',
      'skipped',
    ])
  })

  it('has failures as outcomes: a request that throws, a bad request, a revoked certificate', async () => {
    const { issuance, serials, records } = await caWith(4)
    const results = issuance.rotateExpiring({
      ...threshold,
      requestFor: async ({ serialNumber }) => {
        if (serialNumber === serials[0]) throw new Error('no key')
        if (serialNumber === serials[1]) return 'not a request'
        if (serialNumber === serials[2]) await issuance.revoke(serialNumber, 'keyCompromise', callerOf())
        return csr
      },
    })
    const found = new Map<string, unknown>()
    for await (const { serialNumber, outcome, error } of results)
      found.set(
        serialNumber,
        outcome === 'failed' ? ((error as { code?: string }).code ?? 'thrown') : outcome,
      )
    expect(serials.map((serial) => found.get(serial))).toEqual([
      'thrown',
      'ERR_PEM',
      'ERR_RENEWAL_REFUSED',
      'renewed',
    ])
    expect([...successors(await records()).keys()]).toEqual([serials[3]])
  })

  it('does not renew what was blocked', async () => {
    const { issuance, records } = await caWith(2, { isAdministrator: () => true })
    await issuance.block({ identity: workloadId }, 'left', callerOf())
    expect(await outcomesOf(issuance.rotateExpiring(threshold))).toEqual(['failed', 'failed'])
    expect(successors(await records()).size).toBe(0)
  })

  it('ends by its signal after what is in progress, and the next run goes on', async () => {
    const { issuance, serials, records } = await caWith(6)
    const abort = new AbortController()
    const seen: string[] = []
    const aborted = (async () => {
      const options = { ...threshold, concurrency: 1, signal: abort.signal }
      for await (const { outcome } of issuance.rotateExpiring(options)) {
        seen.push(outcome)
        if (seen.length === 2) abort.abort()
      }
    })()
    await expect(aborted).rejects.toThrow(code('ERR_ABORTED'))
    expect(seen.length).toBeLessThan(serials.length)
    const rest = await outcomesOf(issuance.rotateExpiring(threshold))
    expect(rest.filter((one) => one === 'renewed')).toHaveLength(serials.length - seen.length)
    expect([...successors(await records()).values()]).toEqual(serials.map(() => 1))
  })

  it('goes on after a kill: a lost outcome is renewed again, and what is on record is not', async () => {
    const { authority, issuance, serials, records, certificates, clock } = await caWith(5)
    // The process ends in the middle: its third outcome is never recorded, and its lease is never released.
    let outcomes = 0
    const killed = new Proxy(certificates, {
      get: (target, name) =>
        name === 'recordOutcome'
          ? (...args: Parameters<typeof certificates.recordOutcome>) =>
              ++outcomes >= 3 ? new Promise<never>(() => undefined) : target.recordOutcome(...args)
          : (Reflect.get(target, name) as () => void).bind(target),
    })
    const storage = { ...authority.storage, certificates: killed }
    const dying = new Proxy(authority, {
      get: (target, name) => {
        if (name === 'storage') return storage
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const stopped = new FakeClock()
    stopped.setWallClock(new Date(clock.now()))
    const first = createIssuanceService({ authority: dying, clock: stopped, pruneIntervalSeconds: Infinity })
    const iterator = first.rotateExpiring({ ...threshold, concurrency: 1 })
    await iterator.next()
    await iterator.next()
    void iterator.next()
    while (outcomes < 3) await new Promise((resolve) => setImmediate(resolve))
    const next = outcomesOf(issuance.rotateExpiring(threshold))
    for (let turn = 0; turn < 15; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      clock.advance(1500)
    }
    expect((await next).filter((one) => one === 'renewed')).toHaveLength(3)
    expect([...successors(await records()).values()]).toEqual(serials.map(() => 1))
    expect((await records()).filter(({ state }) => state === 'intended')).toHaveLength(1)
  })

  it('runs one at a time: a second run waits for the first, and then finds nothing to do', async () => {
    const { issuance, clock, serials } = await caWith(4)
    const first = outcomesOf(issuance.rotateExpiring({ ...threshold, concurrency: 1 }))
    const second = outcomesOf(issuance.rotateExpiring(threshold))
    expect(await first).toEqual(serials.map(() => 'renewed'))
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(1500)
    expect((await second).filter((one) => one === 'renewed')).toEqual([])
  })

  it('pauses between batches', async () => {
    const { issuance, clock } = await caWith(3)
    const iterator = issuance.rotateExpiring({ ...threshold, batchSize: 2, delayMs: 60_000 })
    expect((await iterator.next()).value?.outcome).toBe('renewed')
    expect((await iterator.next()).value?.outcome).toBe('renewed')
    const third = iterator.next()
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(60_000)
    expect((await third).value?.outcome).toBe('renewed')
    expect((await iterator.next()).done).toBe(true)
  })

  it('ends what is in progress where the consumer stops', async () => {
    const { issuance, records } = await caWith(8)
    for await (const { outcome } of issuance.rotateExpiring({ ...threshold, concurrency: 4 }))
      if (outcome === 'renewed') break
    const states = (await records()).map(({ state }) => state)
    expect(states).not.toContain('intended')
    expect((await outcomesOf(issuance.rotateExpiring(threshold))).length).toBe(8)
  })

  it.each([
    { thresholdSeconds: -1 },
    { thresholdSeconds: Number.NaN },
    { batchSize: 0 },
    { batchSize: 1001 },
    { concurrency: 257 },
    { delayMs: -1 },
    { requestFor: 'x' },
    { treshold: 1 },
  ])('refuses the options %j', async (wrong) => {
    const { issuance } = await caWith(0)
    expect(() => issuance.rotateExpiring({ ...threshold, ...(wrong as object) })).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })
})
