// When each step of a rotation may happen, computed from lifetimes and intervals; values that cannot be
// combined are refused.

import { PkiError } from '../../errors/index.ts'
import { checkCounts, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'

/** Options of `planRotation`; every number is in seconds. @inline */
export interface RotationPlanOptions {
  /** Validity of each CA certificate. */
  readonly caTtlSeconds: number
  /** Maximum validity of the certificates that it signs. */
  readonly leafTtlSeconds: number
  /** How often relying parties fetch the trust bundle. Default 300. */
  readonly refreshHintSeconds?: number
  /** How many fetches in a row a relying party may miss. Default 2. */
  readonly missedRefreshes?: number
  /** How often each process of the CA looks for due steps. Default 60. */
  readonly pollIntervalSeconds?: number
  /** How far the clock of a relying party may be from that of the CA. Default 60. */
  readonly clockSkewSeconds?: number
  /** How far notBefore of a leaf is in the past: `backdateSeconds` of the profile. Default 120. */
  readonly backdateSeconds?: number
  /** The minimum remaining validity of the parent CA. Default: there is no parent CA. */
  readonly upstreamTtlSeconds?: number
}

/** The result of `planRotation`; every number is in seconds. @inline */
export interface RotationPlan {
  /** Time from the creation of a CA certificate until its successor is prepared and published. */
  readonly prepareAfterSeconds: number
  /** Time from the creation of a CA certificate until its successor signs. */
  readonly activateAfterSeconds: number
  /** Minimum time that a successor is in the trust bundle before it signs. */
  readonly publishedForSeconds: number
  /**
   * Time from the activation of its successor until a CA is removed from the trust bundle, when its leaves
   * have expired.
   */
  readonly revokeAfterSeconds: number
  /** Maximum by which preparation and activation are earlier; chosen at random once for each CA. */
  readonly jitterSeconds: number
}

/**
 * Computes when each step of a rotation may happen. A successor is prepared and published at half of the life
 * of a CA, signs after five sixths of it, and the last sixth is for the leaves that were signed before. The
 * result holds for every CA of a sequence, with the jitter.
 *
 * @throws ERR_ROTATION_PLAN if a successor would sign before every relying party has its root, if a leaf
 *   would expire after its CA, or if a relying party with a slow clock would refuse a new leaf; the message
 *   has the number to change and its new value; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const { publishedForSeconds } = planRotation({ caTtlSeconds: 86_400, leafTtlSeconds: 3600 })
 * ```
 */
export function planRotation(options: RotationPlanOptions): RotationPlan {
  const numbers = readPlanOptions(options)
  const { caTtlSeconds, leafTtlSeconds, pollIntervalSeconds, clockSkewSeconds } = numbers
  const publishedForSeconds = publishedFor(numbers)
  requirePublication(numbers, publishedForSeconds)
  requireLeafLife(numbers)
  requireClocks(numbers)
  return Object.freeze({
    prepareAfterSeconds: Math.floor(caTtlSeconds / 2),
    activateAfterSeconds: Math.floor((caTtlSeconds * 5) / 6),
    publishedForSeconds,
    revokeAfterSeconds: leafTtlSeconds + pollIntervalSeconds + clockSkewSeconds + 1,
    jitterSeconds: Math.floor(caTtlSeconds / 20),
  })
}

/**
 * The same times without the checks, for a running CA whose configuration `planRotation` refuses: each step
 * still waits until it is safe, and the validity of leaves is shortened to the end of the CA.
 */
export function unplannedRotation(options: RotationPlanOptions): RotationPlan {
  const numbers = readPlanOptions(options)
  const { caTtlSeconds, leafTtlSeconds, pollIntervalSeconds, clockSkewSeconds } = numbers
  return Object.freeze({
    prepareAfterSeconds: Math.floor(caTtlSeconds / 2),
    activateAfterSeconds: Math.floor((caTtlSeconds * 5) / 6),
    publishedForSeconds: Math.min(publishedFor(numbers), Math.floor(caTtlSeconds / 3)),
    revokeAfterSeconds: leafTtlSeconds + pollIntervalSeconds + clockSkewSeconds + 1,
    jitterSeconds: Math.floor(caTtlSeconds / 20),
  })
}

type Numbers = Readonly<Record<keyof Omit<RotationPlanOptions, 'upstreamTtlSeconds'>, number>> & {
  readonly upstreamTtlSeconds: number | undefined
}

function readPlanOptions(options: RotationPlanOptions): Numbers {
  const read = readOptions('planRotation', options, {
    caTtlSeconds: 'required',
    leafTtlSeconds: 'required',
    refreshHintSeconds: 'guard',
    missedRefreshes: 'guard',
    pollIntervalSeconds: 'guard',
    clockSkewSeconds: 'guard',
    backdateSeconds: 'guard',
    upstreamTtlSeconds: 'guard',
  })
  const { refreshHintSeconds = 300, missedRefreshes = 2, pollIntervalSeconds = 60 } = read
  const { clockSkewSeconds = 60, backdateSeconds = 120, upstreamTtlSeconds } = read
  const caTtlSeconds = requireCount('caTtlSeconds', read.caTtlSeconds, 1, maxSeconds)
  const leafTtlSeconds = requireCount('leafTtlSeconds', read.leafTtlSeconds, 1, maxSeconds)
  checkCounts({ refreshHintSeconds, pollIntervalSeconds, upstreamTtlSeconds }, 1, maxSeconds)
  checkCounts({ missedRefreshes, clockSkewSeconds, backdateSeconds }, 0, maxSeconds)
  return {
    ...{ caTtlSeconds, leafTtlSeconds, refreshHintSeconds, missedRefreshes, pollIntervalSeconds },
    ...{ clockSkewSeconds, backdateSeconds, upstreamTtlSeconds },
  }
}

/**
 * Every process of the CA has a new root at most one poll after its publication; every relying party has it
 * after the fetches that it may miss and one more.
 */
function publishedFor(numbers: Numbers): number {
  const { refreshHintSeconds, missedRefreshes, pollIntervalSeconds, clockSkewSeconds } = numbers
  return (missedRefreshes + 1) * refreshHintSeconds + pollIntervalSeconds + clockSkewSeconds
}

/** A third of the validity is between preparation and activation; either may be late by one poll. */
function requirePublication(numbers: Numbers, publishedForSeconds: number): void {
  const { caTtlSeconds, refreshHintSeconds, missedRefreshes, pollIntervalSeconds, clockSkewSeconds } = numbers
  const third = Math.floor(caTtlSeconds / 3)
  if (publishedForSeconds + 2 * pollIntervalSeconds <= third) return
  const most = Math.floor((third - 3 * pollIntervalSeconds - clockSkewSeconds) / (missedRefreshes + 1))
  throw refused(
    `a CA must be in the trust bundle for ${publishedForSeconds} s before it signs ` +
      `(${missedRefreshes + 1} times refreshHintSeconds of ${refreshHintSeconds}, ` +
      'the poll and the clock skew); ' +
      `a third of caTtlSeconds of ${caTtlSeconds}, less two polls, is ` +
      `${Math.max(0, third - 2 * pollIntervalSeconds)} s`,
    longerCa(numbers),
    most >= 1 && caTtlSeconds >= 6 * lastLeaf(numbers) ? `refreshHintSeconds to at most ${most}` : undefined,
  )
}

/** The last sixth of the validity is for leaves that were signed before the successor was activated. */
function requireLeafLife(numbers: Numbers): void {
  const { caTtlSeconds, leafTtlSeconds, upstreamTtlSeconds } = numbers
  const sixth = Math.floor(caTtlSeconds / 6)
  if (lastLeaf(numbers) > sixth) {
    const most = sixth - (lastLeaf(numbers) - leafTtlSeconds)
    throw refused(
      'a leaf that is signed just before the rotation outlives its CA: leafTtlSeconds is ' +
        `${leafTtlSeconds}, with two polls and the clock skew ${lastLeaf(numbers)}; ` +
        'a sixth of caTtlSeconds of ' +
        `${caTtlSeconds} is ${sixth}`,
      longerCa(numbers),
      most >= 1 ? `leafTtlSeconds to at most ${most}` : undefined,
    )
  }
  if (upstreamTtlSeconds !== undefined && caTtlSeconds > upstreamTtlSeconds)
    throw refused(
      `the parent CA expires ${caTtlSeconds - upstreamTtlSeconds} s before the CA: caTtlSeconds is ` +
        `${caTtlSeconds}, upstreamTtlSeconds ${upstreamTtlSeconds}`,
      upstreamTtlSeconds >= leastCaTtl(numbers) ? `caTtlSeconds to at most ${upstreamTtlSeconds}` : undefined,
      `upstreamTtlSeconds to at least ${caTtlSeconds}`,
    )
}

/** From the time when the successor was due to the end of the last leaf, by the clock of relying parties. */
function lastLeaf({ leafTtlSeconds, pollIntervalSeconds, clockSkewSeconds }: Numbers): number {
  return leafTtlSeconds + 2 * pollIntervalSeconds + clockSkewSeconds
}

/** The minimum validity of a CA with which the other numbers are accepted. */
function leastCaTtl(numbers: Numbers): number {
  return Math.max(3 * (publishedFor(numbers) + 2 * numbers.pollIntervalSeconds), 6 * lastLeaf(numbers))
}

function longerCa(numbers: Numbers): string {
  const least = leastCaTtl(numbers)
  const { upstreamTtlSeconds = Infinity } = numbers
  const above = upstreamTtlSeconds < least ? `, and upstreamTtlSeconds to at least ${least}` : ''
  return `caTtlSeconds to at least ${least}${above}`
}

function requireClocks({ clockSkewSeconds, backdateSeconds }: Numbers): void {
  if (clockSkewSeconds <= backdateSeconds) return
  throw refused(
    `a relying party whose clock is ${clockSkewSeconds} s slow refuses a new leaf: notBefore is ` +
      `${backdateSeconds} s in the past`,
    `backdateSeconds to at least ${clockSkewSeconds}`,
    `clockSkewSeconds to at most ${backdateSeconds}`,
  )
}

function refused(what: string, ...advice: readonly (string | undefined)[]): PkiError {
  const changes = advice.filter((one) => one !== undefined)
  return new PkiError('ERR_ROTATION_PLAN', `${what}: change ${changes.join(', or ')}`)
}

/** 100 years, so that times are exact integers. */
const maxSeconds = 100 * 365 * 24 * 3600
