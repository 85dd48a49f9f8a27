// A simulation, without signatures, of holders that fetch the trust bundle and renew, below CAs that rotate
// by a plan, in seconds of the CA.

import type { RotationPlan, RotationPlanOptions } from '../../src/ca/rotation/rotation-plan.ts'

export interface HolderRun {
  readonly seed: number
  readonly holders: number
  /** How many times the CA is replaced. */
  readonly rotations: number
}

interface Authority {
  readonly from: number
  readonly to: number
  readonly published: number
  readonly active: number
  /** When it leaves the bundle. */
  readonly revoked: number
  /** When its successor signs. */
  readonly left: number
}

interface Holder {
  /** Added to the time of the CA. */
  readonly skew: number
  /** The process of the CA that it talks to: how late that one follows the store. */
  readonly lag: number
  bundle: ReadonlySet<number>
  nextFetch: number
  missed: number
  leaf: { readonly issuer: number; readonly from: number; readonly to: number }
}

/** Handshakes that a peer refuses, in words; the first 20. */
export function refusedHandshakes(
  plan: RotationPlan,
  options: RotationPlanOptions,
  { seed, holders: count, rotations }: HolderRun,
): string[] {
  const random = randomOf(seed)
  const { leafTtlSeconds, refreshHintSeconds = 300, missedRefreshes = 2, pollIntervalSeconds = 60 } = options
  const { clockSkewSeconds = 60, backdateSeconds = 120 } = options
  const authorities = timeline(plan, options, rotations, random)
  const end = (authorities.at(-1) as Authority).active + 2 * leafTtlSeconds

  const served = (time: number): ReadonlySet<number> =>
    new Set(
      authorities.flatMap(({ published, revoked }, at) => (published <= time && time < revoked ? [at] : [])),
    )
  const signing = (time: number): number =>
    Math.max(
      0,
      authorities.findLastIndex(({ active }) => active <= time),
    )
  const issue = (time: number, lag: number): Holder['leaf'] => {
    const issuer = signing(time - lag)
    const to = Math.min(time + leafTtlSeconds, (authorities[issuer] as Authority).to)
    return { issuer, from: time - backdateSeconds, to }
  }
  const holders = Array.from({ length: count }, (): Holder => {
    const lag = random() * pollIntervalSeconds
    return {
      lag,
      skew: (random() * 2 - 1) * clockSkewSeconds,
      bundle: served(0),
      nextFetch: random() * refreshHintSeconds,
      missed: 0,
      leaf: issue(0, lag),
    }
  })
  const fetch = (holder: Holder, time: number): void => {
    if (time < holder.nextFetch) return
    const misses = holder.missed < missedRefreshes && random() < 0.3
    holder.missed = misses ? holder.missed + 1 : 0
    if (!misses) holder.bundle = served(time - holder.lag)
    holder.nextFetch += refreshHintSeconds
  }
  const refused: string[] = []
  const step = Math.max(1, Math.floor(Math.min(refreshHintSeconds, leafTtlSeconds, pollIntervalSeconds) / 4))
  for (let time = 0; time < end && refused.length < 20; time += step) {
    for (const holder of holders) {
      fetch(holder, time)
      const { from, to } = holder.leaf
      // At half of its life, or late: just before the end.
      const isLate = random() < 0.9
      if (time >= (isLate ? to - 2 * step - clockSkewSeconds : (from + to) / 2))
        holder.leaf = issue(time, holder.lag)
    }
    for (const holder of holders) {
      const peer = holders[Math.floor(random() * count)] as Holder
      const why = refusal(peer, holder.leaf, authorities[holder.leaf.issuer] as Authority, time)
      if (why !== undefined) refused.push(`${time} s: ${why}`)
    }
  }
  return refused
}

function refusal(
  { bundle, skew }: Holder,
  leaf: Holder['leaf'],
  issuer: Authority,
  time: number,
): string | undefined {
  const clock = time + skew
  if (!bundle.has(leaf.issuer)) return `the peer does not have authority ${leaf.issuer}`
  if (clock < leaf.from) return 'the leaf is not valid yet'
  if (clock > leaf.to) return 'the leaf has expired'
  if (clock < issuer.from || clock > issuer.to) return `authority ${leaf.issuer} is not valid`
  return undefined
}

/** The CAs, each step up to one poll late, each with a jitter of its own. */
function timeline(
  plan: RotationPlan,
  { caTtlSeconds, pollIntervalSeconds = 60 }: RotationPlanOptions,
  rotations: number,
  random: () => number,
): Authority[] {
  const late = (time: number): number => time + random() * pollIntervalSeconds
  const first = {
    from: -120,
    to: caTtlSeconds,
    published: -Infinity,
    active: -Infinity,
    revoked: Infinity,
    left: Infinity,
  }
  const authorities: Authority[] = [first]
  let created = 0
  for (let count = 0; count < rotations; count++) {
    const early = random() * plan.jitterSeconds
    const published = late(created + plan.prepareAfterSeconds - early)
    const due = Math.max(created + plan.activateAfterSeconds - early, published + plan.publishedForSeconds)
    const active = late(due)
    const before = authorities.pop() as Authority
    authorities.push(
      { ...before, left: active, revoked: active + plan.revokeAfterSeconds },
      { ...first, from: published - 120, to: published + caTtlSeconds, published, active },
    )
    created = published
  }
  return authorities
}

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed + 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
