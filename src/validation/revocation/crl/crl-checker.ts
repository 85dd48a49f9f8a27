// A RevocationChecker over CRLs supplied by the caller, with a configurable strictness.

import { PkiError } from '../../../errors/index.ts'
import { checkMeasures } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import type { Certificate, CertificateInput } from '../../../x509/index.ts'
import type { CrlInput } from '../../../x509/internal.ts'
import { requireEach } from '../../ignored-input.ts'
import type { IgnoredInput } from '../../ignored-input.ts'
import { reject, rejectionOf } from '../../verdict/rejection.ts'
import type { Rejection } from '../../verdict/rejection.ts'
import { checkerThat, letThrough } from '../../revocation-contract.ts'
import type { RevocationChecker } from '../../revocation-contract.ts'
import { questionOf } from '../revocation-mode.ts'
import type { RevocationMode, RevocationScope } from '../revocation-mode.ts'
import { CrlIssuers } from './crl-issuers.ts'
import { createListReader, isReadable } from './crl-input.ts'
import { crlStatus } from './crl-status.ts'
import type { CrlStatus } from './crl-status.ts'

/** Options of `createCrlChecker`. @inline */
export interface CrlCheckerOptions {
  /**
   * Complete and delta lists, of any issuers, in any order; or a function that returns the current ones. A
   * malformed list is reported to `onIgnoredList` and cannot show that a certificate is good, but its
   * revocations still count as far as they can be read.
   */
  readonly lists: readonly CrlInput[] | (() => readonly CrlInput[])
  /** Called for each list that the strict reader refuses, or that has an extension that cannot be read. */
  readonly onIgnoredList?: ((ignored: IgnoredInput) => void) | undefined
  /** How far the clock of an issuer may be ahead, in seconds. Default 60. */
  readonly clockSkewSeconds?: number
  /** The effect of an unknown status. */
  readonly mode: RevocationMode
  /**
   * Certificates of CRL issuers that are not in the path (RFC 5280 §6.3.3 (f)). One with a malformed
   * extension is skipped; one that cannot be parsed is an error with its index and subject.
   */
  readonly issuers?: readonly CertificateInput[] | undefined
  /**
   * Maximum age of a list, in seconds since its `thisUpdate`, regardless of its `nextUpdate`; required for a
   * list without `nextUpdate`. Default: no limit.
   */
  readonly maxAgeSeconds?: number
  /** `chain`: every certificate below the anchor; `leaf`: only the leaf. Default `chain`. */
  readonly scope?: RevocationScope | undefined
}

/**
 * Checks certificates against CRLs.
 *
 * @throws ERR_INVALID_ARGUMENT; as `Certificate.from` for `issuers`. A verification throws the errors of the
 * function `lists`; if that does not return an array, every certificate is refused.
 * @example
 * ```ts
 * const revocation = createCrlChecker({ lists, mode: 'hard-fail', maxAgeSeconds: 86_400 })
 * const verdict = verifyPath(leaf, { anchors: [root], revocation })
 * ```
 */
export function createCrlChecker(options: CrlCheckerOptions): RevocationChecker {
  const read = readOptions<CrlCheckerOptions>('createCrlChecker', options, {
    lists: 'required',
    mode: 'required',
    issuers: 'optional',
    maxAgeSeconds: 'guard',
    clockSkewSeconds: 'guard',
    scope: 'optional',
    onIgnoredList: 'optional',
  })
  const { mode, lists, maxAgeSeconds = Infinity, clockSkewSeconds = 60 } = read
  if (!Array.isArray(lists) && typeof lists !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `lists must be an array of CRLs or a function that returns one, found ${nameOf(lists)}`,
    )
  const isAsked = questionOf(read)
  checkMeasures({ maxAgeSeconds }, 0, Infinity)
  checkMeasures({ clockSkewSeconds }, 0)
  const issuers = requireEach('issuers', read.issuers ?? [])
  const fixed = {
    issuers: new CrlIssuers(issuers.filter((certificate) => isReadable(() => certificate.checkPathFields()))),
    covered: new WeakMap(),
    maxAgeMs: maxAgeSeconds * 1000,
    skewMs: clockSkewSeconds * 1000,
  }
  const listsNow = createListReader(lists, read.onIgnoredList)
  return checkerThat((query) => {
    if (!isAsked(query)) return letThrough
    const settings = { ...fixed, ...listsNow() }
    try {
      const answer = crlStatus(query, settings)
      return {
        rejection: rejectionFor(answer, mode, query.certificate),
        knownGood: answer.status === 'good',
      }
    } catch (error) {
      return { rejection: rejectionOf(error, query.certificate), knownGood: false }
    }
  })
}

function rejectionFor(
  answer: CrlStatus,
  mode: RevocationMode,
  certificate: Certificate,
): Rejection | undefined {
  if (answer.status === 'revoked') {
    const { reason, revocationDate } = answer.entry
    const when = revocationDate === undefined ? ' (unreadable date)' : ` at ${revocationDate.toISOString()}`
    return reject(
      'ERR_REVOKED',
      'RFC 5280 §6.3.3 (j)',
      `it was revoked${when}, reason ${reason}`,
      certificate,
    )
  }
  if (answer.status === 'good' || mode === 'soft-fail') return undefined
  return reject(
    'ERR_REVOCATION_UNKNOWN',
    'RFC 5280 §6.3.3 (l)',
    `its status cannot be determined: ${answer.reason}`,
    certificate,
  )
}
