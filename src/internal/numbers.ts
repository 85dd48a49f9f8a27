// Validates numeric options: counts (integers) and measures (times, shares).

import { PkiError } from '../errors/index.ts'

/**
 * Whether a value is an integer from `least` to `most`; Infinity, for "no limit", is valid if `most` is
 * Infinity.
 */
export function isCount(value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return isMeasure(value, least, most) && (Number.isSafeInteger(value) || value === Infinity)
}

/**
 * Whether a value is a number from `least` to `most`; Infinity, for "no limit", is valid if `most` is
 * Infinity.
 */
export function isMeasure(value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): boolean {
  // NaN, for example of an unset environment variable, compares false with everything and would disable a
  // limit; numeric strings compare numerically but concatenate when added.
  return typeof value === 'number' && value >= least && value <= most
}

/**
 * Checks counts by their names; undefined values are skipped.
 * @throws ERR_INVALID_ARGUMENT for a value that fails `isCount`
 */
export function checkCounts(counts: Readonly<Record<string, unknown>>, least: number, most?: number): void {
  for (const [name, value] of Object.entries(counts))
    if (value !== undefined) requireCount(name, value, least, most)
}

/**
 * Checks measures by their names; undefined values are skipped.
 * @throws ERR_INVALID_ARGUMENT for a value that fails `isMeasure`
 */
export function checkMeasures(
  measures: Readonly<Record<string, unknown>>,
  least: number,
  most?: number,
): void {
  for (const [name, value] of Object.entries(measures))
    if (value !== undefined && !isMeasure(value, least, most)) throw wrong(name, value, 'number', least, most)
}

/**
 * Checks one required count.
 * @throws ERR_INVALID_ARGUMENT for a value that fails `isCount`, including undefined
 */
export function requireCount(name: string, value: unknown, least: number, most?: number): number {
  if (isCount(value, least, most)) return value as number
  throw wrong(name, value, 'whole number', least, most)
}

/**
 * Checks times to wait, in milliseconds: a timer of the platform fires at once for NaN and above 2^31 - 1 ms.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function checkDelayMs(delays: Readonly<Record<string, unknown>>): void {
  checkMeasures(delays, 0, 2 ** 31 - 1)
}

function wrong(
  name: string,
  found: unknown,
  kind: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): PkiError {
  const shown =
    typeof found === 'number'
      ? String(found)
      : typeof found === 'string'
        ? `the text ${JSON.stringify(found.slice(0, 40))}`
        : found === null
          ? 'null'
          : `of the type ${typeof found}`
  const range = most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of at least ${least}`
  return new PkiError('ERR_INVALID_ARGUMENT', `${name} is ${shown}; expected a ${kind} ${range}`)
}
