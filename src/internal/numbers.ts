// Numbers that callers give as options.

import { PkiError } from '../errors/index.ts'

/**
 * Checks numbers by their names; what is not given is not checked. NaN, which is what an environment variable that is not set becomes,
 * compares false with everything: a limit that is NaN is no limit, and a count of attempts has no end.
 *
 * @throws ERR_INVALID_ARGUMENT for what is no number from `least` to `most`
 */
export function checkNumbers(numbers: Readonly<Record<string, number | undefined>>, least: number, most: number = Number.MAX_SAFE_INTEGER): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value >= least && value <= most)) continue
    throw new PkiError('ERR_INVALID_ARGUMENT', `${name} is ${String(value)}; a number from ${least} to ${most} is wanted`)
  }
}
