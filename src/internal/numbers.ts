// Numbers that callers give as options: counts, which are whole, and measures, such as times and shares, which need not be.
// NaN, which is what an environment variable that is not set becomes, compares false with everything: a limit that is NaN is no limit, and a
// count of attempts has no end. Half an attempt is none either, and a text compares as a number until something is added to it.

import { PkiError } from '../errors/index.ts'

/** Whether it is a whole number from `least` to `most`; Infinity is one where `most` is: no limit. */
export function isCount(value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return isMeasure(value, least, most) && (Number.isSafeInteger(value) || value === Infinity)
}

/** Whether it is a number from `least` to `most`; Infinity is one where `most` is: no limit. */
export function isMeasure(value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): boolean {
  return typeof value === 'number' && value >= least && value <= most
}

/** Checks counts by their names; what is not given is not checked. @throws ERR_INVALID_ARGUMENT for what `isCount` is not true of */
export function checkCounts(counts: Readonly<Record<string, unknown>>, least: number, most?: number): void {
  for (const [name, value] of Object.entries(counts))
    if (value !== undefined) requireCount(name, value, least, most)
}

/** Checks measures by their names; what is not given is not checked. @throws ERR_INVALID_ARGUMENT for what `isMeasure` is not true of */
export function checkMeasures(
  measures: Readonly<Record<string, unknown>>,
  least: number,
  most?: number,
): void {
  for (const [name, value] of Object.entries(measures))
    if (value !== undefined && !isMeasure(value, least, most)) throw wrong(name, value, 'number', least, most)
}

/** One count that has to be there. @throws ERR_INVALID_ARGUMENT for what `isCount` is not true of, `undefined` too */
export function requireCount(name: string, value: unknown, least: number, most?: number): number {
  if (isCount(value, least, most)) return value as number
  throw wrong(name, value, 'whole number', least, most)
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
  return new PkiError('ERR_INVALID_ARGUMENT', `${name} is ${shown}; a ${kind} ${range} is wanted`)
}
