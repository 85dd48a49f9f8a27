// Rate limits while 10,000 requests are decided at once: neither more nor fewer than the limit, within 1 %.

import { expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy, withPolicyHooks } from '../../../src/policy/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import { callerOf } from '../../support/pki.ts'

const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const requests = 10_000
type RateLimitRules = NonNullable<Parameters<typeof createRulePolicy>[0]['rules']>

/** How many of 10,000 decisions that are all open together allow. */
function atOnce(rules: RateLimitRules, clock: FakeClock): () => Promise<number> {
  const byRules = createRulePolicy({ trustDomain: 'example.org', rules }, { clock })
  // The hook makes each decision wait, so that they all are open together.
  const policy = withPolicyHooks(byRules, {
    hook: async () => {
      await Promise.resolve()
      return { allowed: true }
    },
  })
  const decide = async (i: number): Promise<boolean> => {
    const caller = callerOf(`spiffe://example.org/ns/n${i % 10}/sa/s${Math.floor(i / 10) % 10}`)
    const asked = { csr, ttlSeconds: undefined, source: `10.0.0.${i % 50}` }
    return (await policy.decide(asked, caller)).allowed
  }
  return async () =>
    (await Promise.all(Array.from({ length: requests }, (_, i) => decide(i)))).filter(Boolean).length
}

const identity = '/ns/{ns}/sa/{sa}'
type Per = 'all' | 'identity' | 'caller' | 'source' | 'namespace'
const limit = (per: Per, count: number) => ({ per, count, windowSeconds: 3600 })
const within = (found: number, expected: number): void => {
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(expected / 100)
}

it.each([
  ['all', 3000, 3000],
  ['identity', 30, 3000],
  ['caller', 30, 3000],
  ['source', 60, 3000],
  ['namespace', 300, 3000],
] as const)('per %s', async (per, count, expected) => {
  const rules = [{ name: 'all', identity, rateLimit: limit(per, count) }]
  within(await atOnce(rules, new FakeClock(new Date('2026-11-30')))(), expected)
})

it('after half a window there are half as many again, after a whole one all', async () => {
  const clock = new FakeClock(new Date('2026-11-30'))
  const allowed = atOnce([{ name: 'all', identity, rateLimit: limit('identity', 30) }], clock)
  within(await allowed(), 3000)
  clock.advance(1_800_000)
  within(await allowed(), 1500)
  clock.advance(3_600_000)
  within(await allowed(), 3000)
  clock.advance(10 * 3_600_000)
  within(await allowed(), 3000)
})

it('of two limits the tighter one counts, and what it refuses costs the other nothing', async () => {
  const clock = new FakeClock(new Date('2026-11-30'))
  const allowed = atOnce(
    [
      { name: 'each', identity, rateLimit: limit('identity', 60) },
      { name: 'together', identity, rateLimit: { per: 'all', count: 2000, windowSeconds: 60 } },
    ],
    clock,
  )
  within(await allowed(), 2000)
  // A minute later the common limit is full again, and of the 6,000 of the identities 4,000 are left.
  clock.advance(60_000)
  within(await allowed(), 2000)
  clock.advance(60_000)
  within(await allowed(), 2000)
})
