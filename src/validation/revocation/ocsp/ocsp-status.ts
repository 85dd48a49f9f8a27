// The status of one certificate from the available OCSP responses (RFC 6960 §3.2).

import { equalBytes } from '../../../internal/bytes.ts'
import type { OcspCertificateId } from '../../../x509/index.ts'
import type { BasicOcspResponse, OcspSingleResponse } from '../../../x509/internal.ts'
import type { RevocationQuery } from '../../revocation-contract.ts'
import { Reasons } from '../reasons.ts'
import { notAbout, notAboutRule, unknown } from './ocsp-answer.ts'
import type { OcspAnswer, OcspSettings } from './ocsp-answer.ts'
import { responderFault } from './ocsp-responder.ts'

/**
 * Precedence: "revoked" of any current response, then the later of "good" and expired "revoked". @throws
 * ERR_PATH_BUDGET
 */
export function ocspStatus(query: RevocationQuery, settings: OcspSettings): OcspAnswer {
  const answers = settings
    .answersFor(query)
    .map((answer) =>
      typeof answer === 'string' ? unknown(notAboutRule, answer) : askAnswer(answer, query, settings),
    )
  return worst(answers) ?? notAbout
}

/**
 * A response may have several answers about one certificate. Its signature is checked once, and only if one
 * of them could count.
 */
function askAnswer(answer: BasicOcspResponse, query: RevocationQuery, settings: OcspSettings): OcspAnswer {
  const about = answer.responses.filter(({ certificateId }) => isAbout(certificateId, query))
  const found = about.map((response) => readResponse(answer, response, query, settings))
  const counts = found.some(({ status }) => status !== 'unknown')
  const fault = counts ? responderFault(answer, query, settings) : undefined
  if (fault === undefined) return worst(found) ?? notAbout
  // A responder of the issuer whose certificate is malformed, breaks a rule of the profile or is of unknown
  // status cannot show a good status, but its revocations still count.
  const accusation = fault.mayAccuse ? worst(found.filter(({ status }) => status === 'revoked')) : undefined
  return accusation ?? fault.answer
}

/**
 * The status in an answer, before the signature check. Its revocation may count even if a good status may
 * not.
 */
function readResponse(
  answer: BasicOcspResponse,
  response: OcspSingleResponse,
  query: RevocationQuery,
  settings: OcspSettings,
): OcspAnswer {
  const unusable = unusableFault(answer, response, query, settings)
  if (unusable !== undefined) return unusable
  const said = statusOf(response, staleFault(response, query.time.getTime(), settings))
  return said.status === 'good' ? (clearingFault(answer, response, settings) ?? said) : said
}

/**
 * An answer with the matching serial number costs three hashes: it counts as sixteen comparisons. @throws
 * ERR_PATH_BUDGET
 */
function isAbout(
  certificateId: OcspCertificateId,
  { certificate, issuer, budget }: RevocationQuery,
): boolean {
  const sameNumber = equalBytes(certificateId.serialNumberBytes, certificate.serialNumberBytes)
  budget.spend('nameComparisons', sameNumber ? 16 : 1)
  return sameNumber && certificateId.identifies(certificate, issuer)
}

/**
 * Precedence: current "revoked", then a "good" newer than every expired "revoked", then expired "revoked",
 * then unknown. Otherwise an attacker with a stolen key could replay an older "good" response while it is
 * valid.
 */
function worst(answers: readonly OcspAnswer[]): OcspAnswer | undefined {
  const telling = answers.filter((answer) => answer !== notAbout)
  const accused = telling.filter((answer) => answer.status === 'revoked')
  const current = accused.find(({ stale }) => !stale)
  if (current !== undefined) return current
  const good = telling
    .filter((answer) => answer.status === 'good')
    .find(({ response }) => accused.every((each) => each.response.thisUpdate < response.thisUpdate))
  return (
    good ??
    accused.toSorted((a, b) => a.response.thisUpdate.getTime() - b.response.thisUpdate.getTime()).at(-1) ??
    unknownOf(telling)
  )
}

/** The reasons of all responses without an answer, under the clause of the first. */
function unknownOf(answers: readonly OcspAnswer[]): OcspAnswer | undefined {
  const reasons = new Reasons()
  let rule: string | undefined
  for (const answer of answers) {
    if (answer.status !== 'unknown') continue
    rule ??= answer.rule
    reasons.add(answer.reason)
  }
  return rule === undefined ? undefined : unknown(rule, reasons.join('; another response: '))
}

/**
 * An expired answer cannot show a good status; its permanent revocation still counts. The same rule applies
 * to CRLs.
 */
function statusOf(response: OcspSingleResponse, stale: OcspAnswer | undefined): OcspAnswer {
  const { certificateStatus } = response
  if (
    certificateStatus.status === 'revoked' &&
    (stale === undefined || certificateStatus.reason !== 'certificateHold')
  ) {
    return { status: 'revoked', response, stale: stale !== undefined }
  }
  if (stale !== undefined) return stale
  return certificateStatus.status === 'good'
    ? { status: 'good', response }
    : unknown('RFC 6960 §2.2', 'the responder gives its status as unknown')
}

/** Why an answer must not be used at all, not even for a revocation. */
function unusableFault(
  answer: BasicOcspResponse,
  response: OcspSingleResponse,
  { time }: RevocationQuery,
  { skewMs }: OcspSettings,
): OcspAnswer | undefined {
  const critical = [...answer.extensions, ...response.extensions].find(
    ({ oid, critical: must }) => must && oid !== nonceOid,
  )
  if (critical !== undefined)
    return unknown('RFC 6960 §4.4', `the response has the unknown critical extension ${critical.oid}`)
  const latest = time.getTime() + skewMs
  return response.thisUpdate.getTime() > latest || answer.producedAt.getTime() > latest
    ? unknown(
        timesRule,
        `thisUpdate, ${response.thisUpdate.toISOString()}, or producedAt of the response, ` +
          `${answer.producedAt.toISOString()}, is more than ${skewMs / 1000} s (clockSkewSeconds) later ` +
          `than the time, ${time.toISOString()}`,
      )
    : undefined
}

/**
 * Why an answer can revoke, but cannot show a good status: it is signed and covers the certificate, but may
 * answer another request or is malformed.
 */
function clearingFault(
  answer: BasicOcspResponse,
  { thisUpdate, nextUpdate }: OcspSingleResponse,
  settings: OcspSettings,
): OcspAnswer | undefined {
  const { nonce } = answer
  const fault = settings.formFaults.get(answer)
  if (fault !== undefined) return unknown('RFC 6960 §4.2.1', `the response is malformed: ${fault}`)
  if (settings.nonce !== undefined && (nonce === undefined || !equalBytes(nonce, settings.nonce)))
    return unknown(
      'RFC 9654 §2.1',
      nonce === undefined
        ? 'the response does not repeat the nonce'
        : 'the response has the nonce of another request',
    )
  return nextUpdate !== undefined && nextUpdate.getTime() < thisUpdate.getTime()
    ? unknown(
        timesRule,
        `nextUpdate of the response, ${nextUpdate.toISOString()}, is before ` +
          `thisUpdate, ${thisUpdate.toISOString()}`,
      )
    : undefined
}

/** RFC 6960 §3.2 5 and 6, §4.2.2.1; the last second of an answer is inclusive. */
function staleFault(
  { thisUpdate, nextUpdate }: OcspSingleResponse,
  now: number,
  { maxAgeMs }: OcspSettings,
): OcspAnswer | undefined {
  if (nextUpdate === undefined && maxAgeMs === Infinity)
    return unknown('RFC 6960 §4.2.2.1', 'the response has no nextUpdate, and maxAgeSeconds is not set')
  if (nextUpdate !== undefined && now >= nextUpdate.getTime() + 1000)
    return unknown(
      'RFC 6960 §3.2 6',
      `nextUpdate of the response has passed: ${nextUpdate.toISOString()}; ` +
        `the time is ${new Date(now).toISOString()}`,
    )
  return now - thisUpdate.getTime() > maxAgeMs
    ? unknown(
        timesRule,
        `thisUpdate of the response, ${thisUpdate.toISOString()}, is more than ${maxAgeMs / 1000} s ` +
          '(maxAgeSeconds) ago',
      )
    : undefined
}

const timesRule = 'RFC 6960 §3.2 5'
const nonceOid = '1.3.6.1.5.5.7.48.1.2'
