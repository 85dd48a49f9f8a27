// The usage watch: what is reported, what is not, and that its memory does not grow.

import { describe, expect, it } from 'vitest'
import { UsageWatch } from '../../../src/policy/index.ts'
import { RobustScale } from '../../../src/policy/usage/robust-scale.ts'
import { FakeClock } from '../../../src/testing/index.ts'

type Alert = Parameters<ConstructorParameters<typeof UsageWatch>[0]['onAlert']>[0]

function watching(options: Partial<ConstructorParameters<typeof UsageWatch>[0]> = {}) {
  const clock = new FakeClock(new Date('2026-11-30T08:00:00Z'))
  const alerts: Alert[] = []
  const watch = new UsageWatch({
    onAlert: (alert) => alerts.push(alert),
    clock,
    maxIdentities: 1024,
    ...options,
  })
  return { clock, alerts, watch }
}
const id = (name: number | string): string => `spiffe://example.org/w/${name}`
const hourMs = 3600 * 1000

/** A day in which 200 workloads renew once an hour, from one place, with a new key each time. */
function quietDay({ clock, watch }: ReturnType<typeof watching>): void {
  for (let hour = 0; hour < 24; hour++) {
    for (let i = 0; i < 200; i++)
      watch.record({ identity: id(i), ttlSeconds: 3600, source: `10.0.0.${i}`, keyId: `${i}-${hour}` })
    clock.advance(hourMs)
  }
}

describe('what is reported', () => {
  it('nothing of a quiet day', () => {
    const all = watching()
    quietDay(all)
    expect(all.alerts).toEqual([])
    expect(all.watch.riskOf(id(7))).toBeLessThan(50)
  })

  it('an identity that asks far more often than the others', () => {
    const all = watching()
    quietDay(all)
    for (let i = 0; i < 40; i++)
      all.watch.record({ identity: id(7), ttlSeconds: 3600, source: '10.0.0.7', keyId: `burst-${i}` })
    expect(all.alerts).toHaveLength(1)
    expect(all.alerts[0]).toMatchObject({ identity: id(7), reasons: [{ reason: 'rate' }] })
    expect(all.alerts[0]?.score).toBeGreaterThanOrEqual(50)
  })

  it('a much longer life', () => {
    const all = watching()
    quietDay(all)
    all.watch.record({ identity: id(3), ttlSeconds: 30 * 86_400, source: '10.0.0.3', keyId: 'x' })
    expect(all.alerts.map(({ reasons }) => reasons[0]?.reason)).toEqual(['lifetime'])
    all.watch.record({ identity: id(4), ttlSeconds: 60, source: '10.0.0.4', keyId: 'y' })
    expect(all.alerts).toHaveLength(1)
  })

  it('one key under two names', () => {
    const all = watching()
    quietDay(all)
    all.watch.record({ identity: id(1), ttlSeconds: 3600, source: '10.0.0.1', keyId: 'shared' })
    all.watch.record({ identity: id(2), ttlSeconds: 3600, source: '10.0.0.2', keyId: 'shared' })
    expect(all.alerts.map(({ identity, reasons }) => [identity, reasons[0]?.reason])).toEqual([
      [id(2), 'shared-key'],
    ])
    // The score is still high an hour later, but this certificate adds nothing to it.
    all.clock.advance(hourMs)
    all.watch.record({ identity: id(2), ttlSeconds: 3600, source: '10.0.0.2', keyId: 'fresh' })
    expect(all.watch.riskOf(id(2))).toBeGreaterThan(50)
    expect(all.alerts).toHaveLength(1)
  })

  it('a new place at a new hour raises the score, and it fades by half a day', () => {
    const all = watching()
    const ids = Array.from({ length: 8 }, (_, i) => id(i))
    for (let day = 0; day < 30; day++) {
      for (const identity of ids) all.watch.record({ identity, ttlSeconds: 3600, source: '10.0.0.1' })
      all.clock.advance(24 * hourMs)
    }
    expect(ids.map((identity) => all.watch.riskOf(identity))).toEqual(ids.map(() => 0))
    all.clock.advance(5 * hourMs)
    for (const [i, identity] of ids.entries())
      all.watch.record({ identity, ttlSeconds: 3600, source: `203.0.113.${i}` })
    // Sources are counted in 32 places by a random key: one in 32 shares the place of the old one.
    expect(all.alerts.length).toBeGreaterThanOrEqual(4)
    for (const { score, reasons, identity } of all.alerts) {
      expect(score).toBeGreaterThan(50)
      expect(reasons.map(({ reason }) => reason).toSorted()).toEqual(['hour', 'source'])
      expect(all.watch.riskOf(identity)).toBe(score)
    }
    const [first] = all.alerts as [Alert]
    all.clock.advance(24 * hourMs)
    expect(Math.abs(all.watch.riskOf(first.identity) - first.score / 2)).toBeLessThanOrEqual(1)
  })

  it('nothing where the clock goes back a day', () => {
    let now = Date.parse('2026-11-30T08:00:00Z')
    const all = watching({ clock: { now: () => now } })
    for (let i = 0; i < 800; i++) all.watch.record({ identity: id(i >> 2), ttlSeconds: 3600 })
    now -= 24 * hourMs
    for (let i = 0; i < 200; i++) all.watch.record({ identity: id(i), ttlSeconds: 3600 })
    expect(all.alerts).toEqual([])
  })

  it('a key that is never rotated', () => {
    const all = watching({ alertScore: 10 })
    for (let i = 0; i < 10; i++) all.watch.record({ identity: id(1), ttlSeconds: 3600, keyId: 'same' })
    expect(all.alerts.map(({ reasons }) => reasons[0]?.reason)).toEqual(['key-reuse'])
  })

  it('once an hour for one identity, and a callback that throws changes nothing', () => {
    let calls = 0
    const all = watching({
      alertScore: 1,
      onAlert: () => {
        calls++
        throw new Error('no')
      },
    })
    for (let i = 0; i < 100; i++) all.watch.record({ identity: id(1), ttlSeconds: 3600, keyId: 'same' })
    expect(calls).toBe(1)
    all.clock.advance(hourMs)
    all.watch.record({ identity: id(1), ttlSeconds: 3600, keyId: 'same' })
    expect(calls).toBe(2)
  })
})

it('the memory does not grow, and who was seen last stays', () => {
  const { watch, clock } = watching({ maxIdentities: 1000 })
  const { bytes } = watch
  expect(bytes).toBe(104 * 1000)
  for (let i = 0; i < 20_000; i++) {
    watch.record({ identity: id(i), ttlSeconds: 3600, source: '10.0.0.1', keyId: String(i) })
    clock.advance(1)
  }
  expect(watch.bytes).toBe(bytes)
  for (let i = 0; i < 10; i++) watch.record({ identity: id('x'), ttlSeconds: 3600, keyId: 'same' })
  expect(watch.riskOf(id('x'))).toBeGreaterThan(0)
  expect(watch.riskOf(id(0))).toBe(0)
})

describe('the robust scale', () => {
  it('is not moved by outliers: a tenth of the values may be anything', () => {
    const scale = new RobustScale()
    for (let i = 0; i < 1000; i++) scale.add(i % 10 === 0 ? 1e6 : 1 + (i % 7) / 10)
    expect(scale.score(1.3)).toBeLessThan(2)
    expect(scale.score(100)).toBeGreaterThan(10)
  })
  it('takes any number', () => {
    const scale = new RobustScale()
    for (const value of [0, -1, Infinity, 1e-300, 1e300]) scale.add(value)
    expect(scale.total).toBe(5)
    expect(Number.isFinite(scale.score(1))).toBe(true)
  })
})

it.each([
  {},
  { onAlert: 1 },
  { onAlert: () => 0, maxIdentities: 0 },
  { onAlert: () => 0, alertScore: 101 },
  { onAlert: () => 0, x: 1 },
])('options %# are refused', (options) => {
  expect(() => new UsageWatch(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})
