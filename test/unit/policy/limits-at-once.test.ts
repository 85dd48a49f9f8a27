// Rate limits while 10,000 requests are decided at once: neither more nor fewer than the limit, within 1 %.

import { expect, it } from 'vitest'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { createRulePolicy, withPolicyHooks } from '../../../src/policy/index.ts'
import { FakeClock } from '../../../src/testing/index.ts'
import { buildCertificateRequest } from '../../../src/x509/index.ts'
import { callerOf } from '../../support/pki.ts'

const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const requests = 10_000

it.each([
  ['all', 3000, 3000],
  ['identity', 30, 3000],
  ['source', 60, 3000],
  ['namespace', 300, 3000],
] as const)('per %s', async (per, count, expected) => {
  const clock = new FakeClock(new Date('2026-11-30'))
  const rateLimit = { per, count, windowSeconds: 3600 }
  const rules = [{ name: 'all', identity: '/ns/{ns}/sa/{sa}', rateLimit }]
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
  const allowed = (await Promise.all(Array.from({ length: requests }, (_, i) => decide(i)))).filter(Boolean)
  expect(Math.abs(allowed.length - expected)).toBeLessThanOrEqual(expected / 100)
})
