// Conversion between one-time values and rows of the table `one_time_values`.

import { createHash } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { RowReader } from './row-reader.ts'
import type { ColumnValue, Row } from './row-reader.ts'

/** The columns of `one_time_values`, in the order of `oneTimeValues`. */
export const oneTimeColumns = ['key', 'value', 'expires_at_ms'] as const

/**
 * The key of a row: a digest, so that it has the same size for every key, and a copy of the database does not
 * contain the keys.
 */
export function oneTimeKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

/** The row of a value. @throws ERR_INVALID_ARGUMENT */
export function oneTimeValues(key: string, value: string, expiresAt: Date): ColumnValue[] {
  const expiresAtMs = expiresAt.getTime()
  if (!Number.isSafeInteger(expiresAtMs))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'expiresAt is not a valid date')
  if (value.length > maxValueLength)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `the value has ${value.length} characters; the maximum is ${maxValueLength}`,
    )
  return [oneTimeKey(key), value, expiresAtMs]
}

/** The value of a row, if it has not expired at the time `nowMs`. @throws ERR_STORE_CORRUPT */
export function oneTimeValueOf(row: Row, nowMs: number): string | undefined {
  const read = new RowReader('one_time_values', row)
  return read.time('expires_at_ms').getTime() > nowMs ? read.text('value') : undefined
}

/** The error for an add above the maximum. */
export function oneTimeValuesFull(maximum: number): PkiError {
  return new PkiError('ERR_STORE_FULL', `${maximum} unused values are stored, the maximum`)
}

/** The maximum number of unused values of a store. @throws ERR_INVALID_ARGUMENT */
export function readMaxOneTimeValues(given: number | undefined): number {
  return requireCount('maxOneTimeValues', given ?? 1_000_000, 1)
}

/** Enough for a join token with 64 identities of 2,048 octets. */
const maxValueLength = 256 * 1024
