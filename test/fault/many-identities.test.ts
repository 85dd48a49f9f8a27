// 10,000 identities in one process on a fake clock: each is renewed before it expires, and never many more at
// one time than on average.

import { expect, it } from 'vitest'
import { createX509Sources, localCaClient } from '../../src/secrets/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { callerOf, testPki } from '../support/pki.ts'

const minute = 60_000

it('10,000 identities: all renewed within their window, no spike over 3 times the mean rate', async () => {
  const pki = await testPki()
  const clock = new FakeClock(new Date())
  const counts: number[] = []
  let [bucket, underWay, most] = [-1, 0, 0]
  await using sources = createX509Sources({
    clock,
    idleSeconds: 48 * 3600,
    caFor: (id) => ({
      issue: async (request) => {
        if (bucket >= 0) counts[bucket] = (counts[bucket] ?? 0) + 1
        most = Math.max(most, ++underWay)
        try {
          return await localCaClient(pki.issuance, callerOf(id.toString())).issue(request)
        } finally {
          underWay--
        }
      },
    }),
  })
  const ids = Array.from({ length: 10_000 }, (_value, at) => `spiffe://example.org/ns/prod/sa/w${at}`)
  const first = await Promise.all(ids.map((id) => sources.identity(id)))
  expect(most).toBeLessThanOrEqual(8)
  const end = first[0]!.svid.leaf.notAfterMs
  const wantedBy = new Map(ids.map((id, at) => [id, first[at]!.renewAt.getTime()]))
  // 17 hours in steps of 30 minutes: the last renewal is due at 70 % of 24 hours.
  for (bucket = 0; bucket < 34; bucket++) {
    counts[bucket] ??= 0
    for (let step = 0; step < 3; step++) {
      clock.advance(10 * minute)
      const due = ids.filter((id) => wantedBy.get(id)! <= clock.now() - 2 * minute)
      // Every renewal that is due ends, and the time goes on.
      await expect
        .poll(() => due.every((id) => sources.current(id)!.renewAt.getTime() > clock.now() - 2 * minute), {
          timeout: 60_000,
          interval: 5,
        })
        .toBe(true)
      for (const id of due) wantedBy.set(id, sources.current(id)!.renewAt.getTime())
    }
  }
  expect(clock.now()).toBeLessThan(end)
  expect(ids.filter((id, at) => sources.current(id) === first[at])).toEqual([])
  const busy = counts.filter((_count, at) => at >= 15 && at < 33)
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  expect(Math.max(...counts)).toBeLessThanOrEqual(3 * mean)
  expect(Math.min(...busy)).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(8)
}, 300_000)
