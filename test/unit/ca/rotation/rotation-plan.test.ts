// The plan of a rotation: what it refuses says which number to change, and with that number it holds; and a
// simulation of 1,000 holders, none of whom is ever refused by a peer.

import { describe, expect, it } from 'vitest'
import { planRotation } from '../../../../src/ca/index.ts'
import type { RotationPlan, RotationPlanOptions } from '../../../../src/ca/rotation/rotation-plan.ts'
import { code } from '../../../support/codes.ts'
import { refusedHandshakes } from '../../../support/holders.ts'

const times: RotationPlanOptions = {
  caTtlSeconds: 7200,
  leafTtlSeconds: 600,
  refreshHintSeconds: 300,
  pollIntervalSeconds: 60,
  clockSkewSeconds: 60,
}

describe('a plan', () => {
  it('says when each step may happen', () => {
    expect(planRotation(times)).toEqual({
      prepareAfterSeconds: 3600,
      activateAfterSeconds: 6000,
      publishedForSeconds: 1020,
      revokeAfterSeconds: 721,
      jitterSeconds: 360,
    })
  })

  it.each<[string, Partial<RotationPlanOptions>]>([
    ['publish before use', { refreshHintSeconds: 3600 }],
    ['publish before use, many misses', { missedRefreshes: 20 }],
    ['publish before use, a lazy CA', { pollIntervalSeconds: 900, leafTtlSeconds: 1 }],
    ['a leaf within its CA', { leafTtlSeconds: 3600 }],
    ['a leaf within its CA, by one second', { leafTtlSeconds: 1021 }],
    ['a CA within the one above', { upstreamTtlSeconds: 7199 }],
    ['a leaf that is valid for slow clocks', { clockSkewSeconds: 121 }],
  ])('refuses what cannot hold: %s; and holds with each number that it names', (_what, change) => {
    const options = { ...times, ...change }
    const error = refusalOf(options)
    expect(error).toEqual(code('ERR_ROTATION_PLAN'))
    const advice = [...error!.message.matchAll(/(\w+Seconds) to at (least|most) (\d+)/g)]
    expect(advice.length).toBeGreaterThan(0)
    for (const [, name, bound, value] of advice) {
      const changed = { ...options, [name!]: Number(value) }
      expect(refusalOf(changed)).toBeUndefined()
      // No further than needed.
      const beyond = { ...options, [name!]: Number(value) + (bound === 'least' ? -1 : 1) }
      expect(refusalOf(beyond)).toEqual(code('ERR_ROTATION_PLAN'))
    }
  })

  it.each<Partial<RotationPlanOptions>>([
    { caTtlSeconds: 0 },
    { caTtlSeconds: Number.NaN },
    { leafTtlSeconds: 1.5 },
    { refreshHintSeconds: -1 },
    { pollIntervalSeconds: Infinity },
    { clockSkewSeconds: '60' as never },
    { upstreamTtlSeconds: undefined as never },
    { refreshHint: 1 } as never,
  ])('refuses %j', (change) => {
    expect(refusalOf({ ...times, ...change })).toEqual(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('1,000 holders', () => {
  const seeds = Number(process.env['SPIFFE_PKI_ROTATION_SEEDS'] ?? 5)

  it.each(Array.from({ length: seeds }, (_, seed) => seed))('are never refused (seed %i)', (seed) => {
    const options = anyTimes(seed)
    expect(refusedHandshakes(planRotation(options), options, { seed, holders: 1000, rotations: 4 })).toEqual(
      [],
    )
  })

  // What the simulation would find.
  it.each<[string, (plan: RotationPlan) => Partial<RotationPlan>]>([
    ['signs too early', () => ({ publishedForSeconds: 0, prepareAfterSeconds: 5990 })],
    ['signs too long', () => ({ activateAfterSeconds: 7100, revokeAfterSeconds: 1 })],
    ['ends too early', () => ({ revokeAfterSeconds: 1 })],
  ])('are refused where a CA %s', (_what, change) => {
    const plan = planRotation(times)
    const found = refusedHandshakes({ ...plan, ...change(plan) }, times, {
      seed: 1,
      holders: 1000,
      rotations: 3,
    })
    expect(found.length).toBeGreaterThan(0)
  })
})

/** Numbers that a plan allows, drawn from a seed. */
function anyTimes(seed: number): RotationPlanOptions {
  const refreshHintSeconds = 30 + seed * 97
  const pollIntervalSeconds = 10 + seed * 7
  const leafTtlSeconds = 120 + seed * 331
  const clockSkewSeconds = (seed * 13) % 120
  const least = 3 * (3 * refreshHintSeconds + 3 * pollIntervalSeconds + clockSkewSeconds)
  const caTtlSeconds = Math.max(least, 6 * (leafTtlSeconds + 2 * pollIntervalSeconds + clockSkewSeconds))
  return { caTtlSeconds, leafTtlSeconds, refreshHintSeconds, pollIntervalSeconds, clockSkewSeconds }
}

function refusalOf(options: RotationPlanOptions): Error | undefined {
  try {
    planRotation(options)
    return undefined
  } catch (error) {
    return error as Error
  }
}
