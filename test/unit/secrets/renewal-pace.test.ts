// The pace of renewals: twice the average, whatever has been held up, and never past the end of a
// certificate.

import { expect, it } from 'vitest'
import { RenewalPace } from '../../../src/secrets/renewal/renewal-pace.ts'

const hour = 3_600_000

function paceOf(count: number, intervalMs = 12 * hour): RenewalPace {
  const pace = new RenewalPace()
  for (let holder = 0; holder < count; holder++) pace.add({}, intervalMs)
  return pace
}

/** When each of so many renewals begins that are due now. */
const beginnings = (pace: RenewalPace, count: number, latestMs = Infinity): number[] =>
  Array.from({ length: count }, () => pace.take(0, latestMs))

it('lets what an outage has held up begin at twice the average rate', () => {
  const starts = beginnings(paceOf(10_000), 1_000)
  const perHour = (10_000 / 12) * 2
  expect(starts.filter((ms) => ms < hour).length).toBeGreaterThan(0.9 * Math.min(1_000, perHour))
  for (let fromMs = 0; fromMs < hour; fromMs += hour / 12) {
    const begun = starts.filter((ms) => ms >= fromMs && ms < fromMs + hour / 12).length
    expect(begun).toBeLessThanOrEqual(perHour / 12 + 10)
  }
})

it('does not hold up what comes at the average rate', () => {
  const pace = paceOf(10_000)
  const stepMs = (12 * hour) / 10_000
  const waits = Array.from({ length: 1_000 }, (_value, at) => pace.take(at * stepMs, Infinity))
  expect(Math.max(...waits)).toBe(0)
})

it('spreads what cannot wait for its turn over the time left, and lets it begin at once at the end', () => {
  const starts = beginnings(paceOf(10_000), 10_000, hour)
  expect(Math.max(...starts)).toBeLessThanOrEqual(hour)
  const early = starts.filter((ms) => ms < hour / 10).length
  expect(early).toBeGreaterThan(800)
  expect(early).toBeLessThan(1_500)
  expect(paceOf(10_000).take(0, -1)).toBe(0)
  const pace = paceOf(10_000)
  beginnings(pace, 100)
  expect(pace.take(0, -1)).toBe(0)
})

it('holds a few identities up for seconds only', () => {
  expect(Math.max(...beginnings(paceOf(1), 8))).toBe(0)
  expect(Math.max(...beginnings(paceOf(20), 20))).toBeLessThanOrEqual(120_000)
  // Also where nobody has a certificate yet, or nobody has one any more.
  const pace = new RenewalPace()
  const holder = {}
  pace.add(holder, hour)
  pace.add(holder, 2 * hour)
  pace.remove(holder)
  pace.remove(holder)
  expect(Math.max(...beginnings(pace, 20))).toBeLessThanOrEqual(120_000)
})
