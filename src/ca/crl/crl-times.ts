// Times and numbers of lists (RFC 5280 §5.1.2, §5.2.3): whole seconds, renewal at two thirds of a lifetime,
// numbers that increase.

import type { Crl } from '../../x509/index.ts'

/** The time rounded down to the whole second, because a list has no fractions. */
export function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000
}

/** How far the clock may be before the latest recorded time of stores and of lists. */
export const toleratedRegressMs: number = 5 * 60_000

/** The latest thisUpdate that is not after the limit; 0 if there is none. */
export function latestTimeOf(lists: readonly (Crl | undefined)[], limitMs: number = Infinity): number {
  const times = lists.map((list) => list?.thisUpdate.getTime() ?? 0)
  return Math.max(0, ...times.filter((ms) => ms <= limitMs))
}

/**
 * Whether a list is current: before two thirds of its validity, and its thisUpdate is not in the future, as
 * it would be if the clock was ahead when the list was signed.
 */
export function isCurrent({ thisUpdate, nextUpdate }: Crl, nowMs: number): boolean {
  const startMs = thisUpdate.getTime()
  if (nextUpdate === undefined || nowMs < startMs) return false
  return nowMs < startMs + ((nextUpdate.getTime() - startMs) * 2) / 3
}

/**
 * Above the numbers of the last lists; at least the time in milliseconds, so that it also increases after a
 * store in memory was lost with its process. Complete lists have even numbers and deltas odd ones: lists of
 * one scope made at different times never have the same number (RFC 5280 §5.2.3), also if several processes
 * make them.
 */
export function nextNumber(
  thisUpdateMs: number,
  lastNumbers: readonly (bigint | undefined)[],
  kind: 'complete' | 'delta',
): bigint {
  let number = BigInt(thisUpdateMs)
  for (const last of lastNumbers) if (last !== undefined && last >= number) number = last + 1n
  return number % 2n === (kind === 'delta' ? 1n : 0n) ? number : number + 1n
}
