// A RevocationChecker over OCSP responses supplied by the caller, stapled or fetched (RFC 6960 §3.2).

import { PkiError } from '../../../errors/index.ts'
import { requireOctets } from '../../../internal/bytes.ts'
import { checkMeasures } from '../../../internal/numbers.ts'
import { readOptions } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import type { Certificate, CertificateInput } from '../../../x509/index.ts'
import type { BasicOcspResponse } from '../../../x509/internal.ts'
import { requireEach } from '../../ignored-input.ts'
import { reject, rejectionOf } from '../../verdict/rejection.ts'
import type { Rejection } from '../../verdict/rejection.ts'
import { checkerThat, letThrough } from '../../revocation-contract.ts'
import type { RevocationChecker } from '../../revocation-contract.ts'
import { questionOf } from '../revocation-mode.ts'
import type { RevocationMode, RevocationScope } from '../revocation-mode.ts'
import { answersFrom } from './ocsp-input.ts'
import type { OcspResponseInput } from './ocsp-input.ts'
import { ocspStatus } from './ocsp-status.ts'
import type { OcspAnswer, OcspSettings } from './ocsp-answer.ts'

/** Options of `createOcspChecker`. @inline */
export interface OcspCheckerOptions {
  /**
   * Responses for any certificates, in any order, such as a staple of the TLS handshake. Unparsable ones are
   * skipped. A function is called once for each certificate of a verification, so that one checker can serve
   * a changing cache.
   */
  readonly responses:
    readonly OcspResponseInput[] | ((certificate: Certificate) => readonly OcspResponseInput[])
  /**
   * `soft-fail`: only a response with "revoked" refuses; `hard-fail`: a certificate without a good answer is
   * refused.
   */
  readonly mode: RevocationMode
  /** The nonce of the request. If set, only responses that repeat it count. */
  readonly nonce?: Uint8Array
  /**
   * Maximum age of an answer, in seconds since its `thisUpdate`; required for an answer without `nextUpdate`.
   * Default: no limit.
   */
  readonly maxAgeSeconds?: number
  /** How far a responder's clock may be ahead, in seconds. Default 60. */
  readonly clockSkewSeconds?: number
  /** Certificates of responders that do not include them in the response. */
  readonly responders?: readonly CertificateInput[] | undefined
  /** `chain`: every certificate below the anchor; `leaf`: only the leaf. Default `chain`. */
  readonly scope?: RevocationScope | undefined
}

/**
 * Checks certificates against OCSP responses.
 *
 * @throws ERR_INVALID_ARGUMENT; as `Certificate.from` for `responders`. A verification throws the errors of
 * the function `responses`.
 * @example
 * ```ts
 * const revocation = createOcspChecker({ responses: [staple], mode: 'hard-fail' })
 * const verdict = verifyPath(leaf, { anchors: [root], revocation })
 * ```
 */
export function createOcspChecker(options: OcspCheckerOptions): RevocationChecker {
  const read = readOptions<OcspCheckerOptions>('createOcspChecker', options, {
    responses: 'required',
    mode: 'required',
    nonce: 'guard',
    maxAgeSeconds: 'guard',
    clockSkewSeconds: 'guard',
    responders: 'optional',
    scope: 'optional',
  })
  const { mode, responses, nonce, maxAgeSeconds = Infinity, clockSkewSeconds = 60 } = read
  if (!Array.isArray(responses) && typeof responses !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `responses must be an array or a function that returns one, found ${nameOf(responses)}`,
    )
  const isAsked = questionOf(read)
  checkMeasures({ maxAgeSeconds }, 0, Infinity)
  // Without an upper limit, an answer from any time in the future would be accepted.
  checkMeasures({ clockSkewSeconds }, 0)
  const formFaults = new WeakMap<BasicOcspResponse, string>()
  const settings: OcspSettings = {
    answersFor: answersFrom(responses, formFaults),
    formFaults,
    nonce: nonce && requireOctets(nonce, 'nonce').slice(),
    maxAgeMs: maxAgeSeconds * 1000,
    skewMs: clockSkewSeconds * 1000,
    responders: requireEach('responders', read.responders ?? []),
    signedBy: new WeakMap(),
    sent: new WeakMap(),
  }
  return checkerThat((query) => {
    if (!isAsked(query)) return letThrough
    try {
      const answer = ocspStatus(query, settings)
      return { rejection: rejectionFor(answer, mode, query.certificate), knownGood: answer.status === 'good' }
    } catch (error) {
      return { rejection: rejectionOf(error, query.certificate), knownGood: false }
    }
  })
}

function rejectionFor(
  answer: OcspAnswer,
  mode: RevocationMode,
  certificate: Certificate,
): Rejection | undefined {
  if (answer.status === 'revoked') {
    const status = answer.response.certificateStatus
    const { revokedAt, reason } = status.status === 'revoked' ? status : unsaid
    const when = revokedAt === undefined ? ' (unreadable date)' : ` at ${revokedAt.toISOString()}`
    return reject('ERR_REVOKED', 'RFC 6960 §2.2', `it was revoked${when}, reason ${reason}`, certificate)
  }
  if (answer.status === 'good' || mode === 'soft-fail') return undefined
  return reject(
    'ERR_REVOCATION_UNKNOWN',
    answer.rule,
    `its status cannot be determined: ${answer.reason}`,
    certificate,
  )
}

const unsaid = { revokedAt: undefined, reason: 'unspecified' } as const
