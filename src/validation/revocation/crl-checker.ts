// A RevocationChecker over CRLs that the caller has: how strict it is, is said per source.

import { isPkiError, PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { Certificate, RevocationList } from '../../x509/index.ts'
import type { CertificateInput, RevocationListInput } from '../../x509/index.ts'
import { reject, rejectionOf } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { checkerThat, letThrough } from '../revocation-contract.ts'
import type { RevocationChecker, RevocationQuery } from '../revocation-contract.ts'
import { CrlIssuers, byScope, crlStatus } from './crl-status.ts'
import type { CrlStatus } from './crl-status.ts'

/**
 * What an unknown status means. `hard-fail`: refused. `soft-fail`: let through; only a list that says "revoked" refuses. `off`: not asked.
 */
export type RevocationMode = 'off' | 'soft-fail' | 'hard-fail'

/** Options of `createCrlChecker`. */
export interface CrlCheckerOptions {
  /** Complete and delta lists, of any issuers, in any order. One whose issuer or extensions are malformed says nothing. */
  readonly lists: readonly RevocationListInput[]
  /** What an unknown status means. */
  readonly mode: RevocationMode
  /** Certificates of CRL issuers that are not in the path (RFC 5280 §6.3.3 (f)); what is malformed is passed over. */
  readonly issuers?: readonly CertificateInput[] | undefined
  /** Oldest list that is taken, in seconds since its `thisUpdate`, whatever its `nextUpdate` says. Default: no limit. */
  readonly maximumAgeSeconds?: number | undefined
  /** `chain`: every certificate below the anchor; `leaf`: the leaf alone. Default `chain`. */
  readonly scope?: 'chain' | 'leaf' | undefined
}

/**
 * Checks certificates against CRLs.
 *
 * @throws ERR_INVALID_ARGUMENT; as `RevocationList.from` and `Certificate.from`
 * @example
 * ```ts
 * const revocation = createCrlChecker({ lists, mode: 'hard-fail', maximumAgeSeconds: 86_400 })
 * const verdict = verifyPath(leaf, { anchors: [root], revocation })
 * ```
 */
export function createCrlChecker(options: CrlCheckerOptions): RevocationChecker {
  if (!Array.isArray((Object(options) as Partial<CrlCheckerOptions>).lists))
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a checker wants lists and a mode')
  const { maximumAgeSeconds = Infinity } = options
  const isAsked = questionOf(options)
  checkMeasures({ maximumAgeSeconds }, 0, Infinity)
  const given = options.lists.map((input) => RevocationList.from(input))
  const lists = given.filter((list) =>
    isReadable(() => [
      list.issuer.comparisonKey,
      list.crlNumber,
      list.deltaCrlIndicator,
      list.issuingDistributionPoint,
      list.authorityKeyIdentifier,
    ]),
  )
  const issuers = (options.issuers ?? []).map((input) => Certificate.from(input))
  const settings = {
    scopes: byScope(lists),
    nothingFound:
      lists.length === given.length ? 'no list is about it' : 'no list is about it, and one is malformed',
    issuers: new CrlIssuers(issuers.filter((certificate) => isReadable(() => certificate.checkAll()))),
    covered: new WeakMap(),
    maximumAgeMs: maximumAgeSeconds * 1000,
  }
  return checkerThat((query) => {
    if (!isAsked(query)) return letThrough
    try {
      const answer = crlStatus(query, settings)
      return {
        rejection: rejectionFor(answer, options.mode, query.certificate),
        knownGood: answer.status === 'good',
      }
    } catch (error) {
      return { rejection: rejectionOf(error, query.certificate), knownGood: false }
    }
  })
}

/**
 * Whether a source is asked about a certificate. With `leaf`: the target of the verification, a CA or not, and whoever else is no CA.
 *
 * @throws ERR_INVALID_ARGUMENT for a mode or scope that is none: a word that is misspelt must not decide what is refused
 */
export function questionOf({
  mode,
  scope = 'chain',
}: Pick<CrlCheckerOptions, 'mode' | 'scope'>): (query: RevocationQuery) => boolean {
  if (!modes.includes(mode))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${JSON.stringify(mode)} is no mode; one of ${modes.join(', ')} is wanted`,
    )
  if (!scopes.includes(scope))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `${JSON.stringify(scope)} is no scope; chain or leaf is wanted`,
    )
  return ({ certificate, isTarget }) =>
    mode !== 'off' && (scope === 'chain' || isTarget === true || certificate.basicConstraints?.ca !== true)
}

const modes: readonly RevocationMode[] = ['off', 'soft-fail', 'hard-fail']
const scopes: readonly unknown[] = ['chain', 'leaf']

function isReadable(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    if (!isPkiError(error)) throw error
    return false
  }
}

function rejectionFor(
  answer: CrlStatus,
  mode: RevocationMode,
  certificate: Certificate,
): Rejection | undefined {
  if (answer.status === 'revoked') {
    const { reason, revocationDate } = answer.entry
    return reject(
      'ERR_REVOKED',
      'RFC 5280 §6.3.3 (j)',
      `it was revoked at ${revocationDate.toISOString()}, reason ${reason}`,
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
