// Reads the options of a store's writes, with the same rules for every store, because a misspelt option would
// record nothing, let a stale leader write, or remove valid certificates.

import { PkiError } from '../../errors/index.ts'
import { isMeasure } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf, shownValue } from '../../internal/values/name-of.ts'
import type { PublishCrlOptions } from '../crl/crl-store.ts'
import { revocationReasons } from '../crl/revocation-reason.ts'
import type { RevocationReason } from '../crl/revocation-reason.ts'
import type { FencedWriteOptions } from './authority-store.ts'
import type { Revocation } from './certificate-record.ts'
import type { PruneOptions, RevokeOptions, WriteOptions } from './certificate-store.ts'

const noOptions: WriteOptions = Object.freeze({})

/**
 * Returns the same object for every call without options, because each certificate makes two such writes.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function readWriteOptions(method: string, options: WriteOptions | undefined): WriteOptions {
  if (options === undefined) return noOptions
  return readOptions<WriteOptions>(method, options, { audit: 'optional' })
}

/**
 * Checks dates by their names; undefined values are skipped. An invalid one would be stored as no time, and
 * is neither before nor after another.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function checkDates(method: string, dates: Readonly<Record<string, unknown>>): void {
  for (const [name, date] of Object.entries(dates))
    if (date !== undefined && !(date instanceof Date && !Number.isNaN(date.getTime())))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `${method}: ${name} must be a valid Date, found ${nameOf(date)}`,
      )
}

/**
 * The reason and time of a revocation. A list cannot have another reason.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function readRevocation({ reason, revokedAt }: Revocation): {
  readonly reason: RevocationReason
  readonly atMs: number
} {
  const time: unknown = revokedAt
  checkDates('revoke', { revokedAt: time ?? null }) // undefined is skipped, null is not
  if (!revocationReasons.has(reason))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `revoke: reason must be one of RFC 5280 5.3.1, found ${shownValue(reason)}`,
    )
  return { reason, atMs: revokedAt.getTime() }
}

/** @throws ERR_INVALID_ARGUMENT */
export function readRevokeOptions(options: RevokeOptions | undefined): RevokeOptions {
  return readOptions<RevokeOptions>('revoke', options, { audit: 'optional', unrecorded: 'optional' })
}

/** @throws ERR_INVALID_ARGUMENT */
export function readFencedOptions(
  method: string,
  options: FencedWriteOptions | undefined,
): FencedWriteOptions {
  return readOptions<FencedWriteOptions>(method, options, { audit: 'optional', fence: 'optional' })
}

/** @throws ERR_INVALID_ARGUMENT also without `expectedNumber`, which is undefined for the first list */
export function readPublishOptions(options: PublishCrlOptions): PublishCrlOptions {
  const read = readOptions<PublishCrlOptions>('publish', options, {
    audit: 'optional',
    fence: 'optional',
    expectedNumber: 'optional',
  })
  if (!('expectedNumber' in (Object(options) as object)))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'publish: the option expectedNumber is required')
  return read
}

/**
 * The times of `prune` as numbers. NaN compares false with everything, so that nothing or everything would be
 * removed; a negative look-back would remove records of valid certificates.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function readPruneOptions(options: PruneOptions): {
  readonly nowMs: number
  readonly lookBackMs: number
} {
  const { now, lookBackSeconds } = readOptions<PruneOptions>('prune', options, {
    now: 'required',
    lookBackSeconds: 'required',
  })
  checkDates('prune', { now })
  if (!isMeasure(lookBackSeconds, 0))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `prune: lookBackSeconds must be a number of at least 0, found ${shownValue(lookBackSeconds)}`,
    )
  return { nowMs: now.getTime(), lookBackMs: lookBackSeconds * 1000 }
}
