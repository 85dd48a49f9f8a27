// The bounds of the values of a policy document: the last value that is taken, and the first that is refused.

import { describe, expect, it } from 'vitest'
import { createRulePolicy } from '../../../src/policy/index.ts'
import type { PolicyDocument } from '../../../src/policy/index.ts'

const rule = { name: 'r', identity: '/a' }
const read = (change: object): unknown =>
  createRulePolicy({ trustDomain: 'example.org', rules: [{ ...rule, ...change }] } as PolicyDocument)
const segments = (count: number): string => '/a'.repeat(count)

describe('a policy document', () => {
  it.each<[string, object]>([
    ['a text of 2,048 characters', { name: 'x'.repeat(2048) }],
    ['a list of 100,000 entries', { credentials: Array.from({ length: 100_000 }, () => 'x509') }],
    [
      'claims of text, numbers, true and false',
      { requiredClaims: { a: '', b: 0, c: false, d: ['x', -1.5] } },
    ],
    ['a pattern of any path', { identity: '/**' }],
    ['a pattern of 32 segments', { identity: segments(32) }],
    ['a window that ends at midnight', { during: [{ from: '23:59', to: '24:00' }] }],
  ])('takes %s', (_, change) => {
    expect(() => read(change)).not.toThrow()
  })

  it.each<[string, object]>([
    ['policy.rules[0].name: expected text of 1 to 2,048 characters, found ""', { name: '' }],
    ['policy.rules[0].name: expected text of 1 to 2,048 characters, found 7', { name: 7 }],
    ['policy.rules[0].name: expected text of 1 to 2,048 characters, found a list', { name: ['r'] }],
    ['policy.rules[0].name: expected text of 1 to 2,048', { name: 'x'.repeat(2049) }],
    [
      'policy.rules[0].credentials: 100001 entries; the maximum is 100000',
      { credentials: Array.from({ length: 100_001 }, () => 'x509') },
    ],
    ['policy.rules[0].credentials[1]: expected text, found ""', { credentials: ['x509', ''] }],
    ['policy.rules[0].credentials[0]: expected text, found 7', { credentials: [7] }],
    ['policy.rules[0].credentials[0]: expected text, found null', { credentials: [null] }],
    ['policy.rules[0].requiredClaims.a: expected text, a number', { requiredClaims: { a: Number.NaN } }],
    ['policy.rules[0].requiredClaims.a: expected text, a number', { requiredClaims: { a: [1, Infinity] } }],
    [`policy.rules[0].identity: "${segments(33)}": more than 32 segments`, { identity: segments(33) }],
    ['policy.rules[0].during[0]: 24:00 to 06:00', { during: [{ from: '24:00', to: '06:00' }] }],
    ['policy.rules[0].during[0]: 06:00 to 6:30', { during: [{ from: '06:00', to: '6:30' }] }],
    ['policy.rules[0].during[0].day: unknown', { during: [{ day: ['mon'] }] }],
    ['policy.rules[0].dnsNames[0]: expected a DNS name as text', { dnsNames: [7] }],
    ['policy.rules[0].rateLimit: per is missing', { rateLimit: { count: 1, windowSeconds: 1 } }],
    ['policy.rules[0].rateLimit: windowSeconds is missing', { rateLimit: { per: 'all', count: 1 } }],
    [
      'policy.rules[0].rateLimit.burst: unknown',
      { rateLimit: { per: 'all', count: 1, windowSeconds: 1, burst: 1 } },
    ],
  ])('refuses: %s', (message, change) => {
    expect(() => read(change)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(message) }),
    )
  })

  it.each<[string, object]>([
    ['policy.defaultTtlSeconds: expected a whole number', { defaultTtlSeconds: 0 }],
    ['policy.maxTtlSeconds: expected a whole number', { maxTtlSeconds: '1h' }],
    ['policy.aliases[0]: expected the name of a trust domain', { aliases: [7] }],
    ['policy.aliases[0]: expected the name of a trust domain', { aliases: [{ name: 'old.org' }] }],
  ])('refuses for the trust domain: %s', (message, change) => {
    expect(() => createRulePolicy({ trustDomain: 'example.org', rules: [rule], ...change } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID', message: expect.stringContaining(message) }),
    )
  })
})
