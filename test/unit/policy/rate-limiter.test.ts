// Token buckets: exact, and bounded whatever the number of keys.

import { expect, it } from 'vitest'
import { RateLimiter } from '../../../src/policy/rules/rate-limiter.ts'

it('forgets only buckets that are full again', () => {
  const limiter = new RateLimiter({ count: 10, windowSeconds: 10 })
  const model = new Map<string, { tokens: number; at: number }>()
  let now = 0
  let seed = 7
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  for (let i = 0; i < 20_000; i++) {
    now += random(700)
    const key = `k${random(30)}`
    const bucket = model.get(key) ?? { tokens: 10, at: now }
    bucket.tokens = Math.min(10, bucket.tokens + (now - bucket.at) / 1000)
    bucket.at = now
    const expected = bucket.tokens >= 1
    if (expected) bucket.tokens -= 1
    model.set(key, bucket)
    // Sums of fractions differ in the last digits: not compared where the model is on the edge.
    const found = limiter.take(key, now) === 0
    if (Math.abs(bucket.tokens + (expected ? 1 : 0) - 1) > 1e-6) expect(found).toBe(expected)
    else if (found !== expected) bucket.tokens += found ? -1 : 1
  }
})

it('a token that is given back does not make more than the limit', () => {
  const limiter = new RateLimiter({ count: 2, windowSeconds: 10 })
  expect(limiter.take('a', 0)).toBe(0)
  for (let i = 0; i < 3; i++) limiter.giveBack('a')
  limiter.giveBack('unknown')
  expect([limiter.take('a', 0), limiter.take('a', 0), limiter.take('a', 0)]).toEqual([0, 0, 5])
  expect(limiter.size).toBe(1)
})

it('a key of the last window is moved to this one, not copied', () => {
  const limiter = new RateLimiter({ count: 1, windowSeconds: 1 })
  expect([limiter.take('a', 600), limiter.take('a', 1000), limiter.take('a', 1599)]).toEqual([0, 1, 1])
  expect(limiter.size).toBe(1)
})

it('keeps two windows of keys and no more, and refuses new keys past the maximum', () => {
  const limiter = new RateLimiter({ count: 1, windowSeconds: 1 }, 100)
  for (let i = 0; i < 100; i++) expect(limiter.take(`a${i}`, 0)).toBe(0)
  expect(limiter.take('b', 0)).toBe(1)
  expect(limiter.take('a0', 500)).toBe(1)
  for (let i = 0; i < 100; i++) limiter.take(`c${i}`, 1000)
  expect(limiter.size).toBeLessThanOrEqual(200)
  limiter.take('d', 5000)
  expect(limiter.size).toBe(1)
})
