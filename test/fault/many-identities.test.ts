// 10,000 identities in one process on a fake clock, and a CA that is away for an hour: each is renewed before
// it expires, and never many more at one time than on average, also when the CA is back.

import { expect, it, vi } from 'vitest'
import { createCertificateAuthority } from '../../src/ca/index.ts'
import { PkiError } from '../../src/errors/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { createX509Sources, localCaClient } from '../../src/secrets/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { newRoot } from '../support/mesh.ts'
import { callerOf } from '../support/pki.ts'

const minute = 60_000
const hour = 60 * minute

it('10,000 identities, an hour without a CA: no spike over 3 times the mean, before or after', async () => {
  const clock = new FakeClock(new Date())
  const root = await newRoot('example.org')
  const authority = createCertificateAuthority({ trustDomain: 'example.org', ...root, clock })
  const issuance = createIssuanceService({ authority, clock, pruneIntervalSeconds: Infinity })
  // One key for all: making keys is not what is tested, and without it nothing leaves this thread.
  const signer = await SoftwareSigner.generate('P-256')
  vi.spyOn(SoftwareSigner, 'generate').mockResolvedValue(signer)
  const startMs = clock.now()
  const counts = Array.from({ length: 36 }, () => 0)
  let [isRunning, isAway, refused, underWay, most] = [false, false, 0, 0, 0]
  await using sources = createX509Sources({
    clock,
    idleSeconds: 48 * 3600,
    caFor: (id) => ({
      issue: async (request) => {
        most = Math.max(most, ++underWay)
        try {
          if (isAway) {
            refused++
            throw Object.assign(new PkiError('ERR_CA_UNAVAILABLE', 'away'), { retryable: true })
          }
          // The step that ends now is counted with its half hour.
          if (isRunning) counts[Math.floor((clock.now() - 1 - startMs) / (hour / 2))]!++
          return await localCaClient(issuance, callerOf(id.toString())).issue(request)
        } finally {
          underWay--
        }
      },
    }),
  })
  /** Until every request that has begun has ended, and begun what followed. */
  const settled = async (): Promise<void> => {
    for (let quiet = 0; quiet < 2; quiet = underWay === 0 ? quiet + 1 : 0)
      await new Promise((resolve) => setImmediate(resolve))
  }
  const ids = Array.from({ length: 10_000 }, (_value, at) => `spiffe://example.org/ns/prod/sa/w${at}`)
  const first = await Promise.all(ids.map((id) => sources.identity(id)))
  const endMs = first[0]!.svid.leaf.notAfterMs
  isRunning = true
  // Renewals are due from 30 % to 70 % of 24 hours, from 7:12 to 16:48; what waits comes until 18:00.
  for (let elapsedMs = 0; elapsedMs < 18 * hour;) {
    isAway = elapsedMs >= 11 * hour && elapsedMs < 12 * hour
    // The attempts of one renewal are seconds apart; each takes a step.
    const stepMs = isAway ? 5_000 : minute
    clock.advance(stepMs)
    elapsedMs += stepMs
    await settled()
  }
  expect(clock.now()).toBeLessThan(endMs)
  expect(ids.filter((id, at) => sources.current(id) === first[at])).toEqual([])
  const [sum, peak] = [counts.reduce((all, count) => all + count, 0), Math.max(...counts)]
  expect(refused).toBeGreaterThan(0)
  expect(counts.slice(22, 24)).toEqual([0, 0])
  expect(peak).toBeLessThanOrEqual((3 * sum) / counts.length)
  expect(Math.min(...counts.slice(15, 22), ...counts.slice(24, 33))).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(8)
}, 600_000)
