// A RevocationChecker over OCSP responses that the caller has, stapled or fetched: RFC 6960 §3.2.

import { isPkiError, PkiError } from '../../errors/index.ts'
import { equalBytes } from '../../internal/bytes.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { Certificate, OcspResponse } from '../../x509/index.ts'
import type { BasicOcspResponse, OcspCertificateId, OcspSingleResponse, PublicKey } from '../../x509/index.ts'
import { reject, rejectionOf } from '../rejection.ts'
import type { Rejection } from '../rejection.ts'
import { checkerThat, letThrough } from '../revocation-contract.ts'
import type { RevocationChecker, RevocationJudgement, RevocationQuery } from '../revocation-contract.ts'
import type { Budget } from '../budget.ts'
import { questionOf } from './crl-checker.ts'
import type { RevocationMode } from './crl-checker.ts'

/** A response as it came, or parsed: then it is verified once, however often it is asked. */
export type OcspResponseInput = OcspResponse | Uint8Array

/** Options of `createOcspChecker`. */
export interface OcspCheckerOptions {
  /**
   * Responses about any certificates, in any order; a staple of the TLS handshake is one. What does not parse is passed over. A function is
   * asked once for each certificate of a verification, so that one checker can serve a cache that changes.
   */
  readonly responses:
    readonly OcspResponseInput[] | ((certificate: Certificate) => readonly OcspResponseInput[])
  /** `soft-fail`: only a response that says "revoked" refuses; `hard-fail`: a certificate without a good answer is refused. */
  readonly mode: RevocationMode
  /** The nonce of the request: then only responses that repeat it count. */
  readonly nonce?: Uint8Array | undefined
  /** Oldest answer that is taken, in seconds since its `thisUpdate`; an answer without `nextUpdate` needs it. Default: no limit. */
  readonly maximumAgeSeconds?: number | undefined
  /** How far a responder's clock may be ahead, in seconds. Default 60. */
  readonly clockSkewSeconds?: number | undefined
  /** Certificates of responders that do not send theirs. */
  readonly responders?: readonly Certificate[] | undefined
  /** `chain`: every certificate below the anchor; `leaf`: the leaf alone. Default `chain`. */
  readonly scope?: 'chain' | 'leaf' | undefined
}

type Answer =
  | { readonly status: 'good'; readonly response: OcspSingleResponse }
  | { readonly status: 'revoked'; readonly response: OcspSingleResponse; readonly stale: boolean }
  | { readonly status: 'unknown'; readonly rule: string; readonly reason: string }

/**
 * Checks certificates against OCSP responses.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function createOcspChecker(options: OcspCheckerOptions): RevocationChecker {
  const { responses } = Object(options) as Partial<OcspCheckerOptions>
  if (responses === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'a checker wants responses and a mode')
  const { mode, maximumAgeSeconds = Infinity, clockSkewSeconds = 60 } = options
  const isAsked = questionOf(options)
  checkMeasures({ maximumAgeSeconds }, 0, Infinity)
  // Without an end to it, an answer from any future would be one of today.
  checkMeasures({ clockSkewSeconds }, 0)
  const settings: Settings = {
    answersFor: answersFrom(responses),
    nonce: options.nonce,
    maximumAgeMs: maximumAgeSeconds * 1000,
    skewMs: clockSkewSeconds * 1000,
    responders: options.responders ?? [],
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

/**
 * Several sources as one: every one of them has to let a certificate pass, so one that says "revoked" refuses, and so does one in `hard-fail`
 * mode that does not know. With `sufficient: 'one'`, one that knows the certificate to be good makes up for those that do not know it; one that
 * merely lets it through (`off`, `soft-fail`, outside its scope) does not.
 *
 * @throws ERR_INVALID_ARGUMENT for no source at all, and for another `sufficient`
 */
export function combineRevocationCheckers(
  checkers: readonly RevocationChecker[],
  options: { readonly sufficient?: 'all' | 'one' | undefined } = {},
): RevocationChecker {
  if (((checkers as readonly unknown[] | undefined)?.length ?? 0) === 0)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'no source of revocations')
  const { sufficient = 'all' } = options
  if (!sufficiencies.includes(sufficient))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `sufficient is ${JSON.stringify(sufficient)}; all or one is wanted`,
    )
  return checkerThat((query) => {
    let unknown: Rejection | undefined
    let knownGood = false
    for (const checker of checkers) {
      const judged = checker.judge === undefined ? judgementOf(checker.check(query)) : checker.judge(query)
      if (judged.rejection !== undefined && judged.rejection.code !== 'ERR_REVOCATION_UNKNOWN') return judged
      unknown ??= judged.rejection
      knownGood ||= judged.knownGood
    }
    return { rejection: sufficient === 'one' && knownGood ? undefined : unknown, knownGood }
  })
}

function judgementOf(rejection: Rejection | undefined): RevocationJudgement {
  return { rejection, knownGood: rejection === undefined }
}

interface Settings {
  readonly answersFor: (query: RevocationQuery) => readonly BasicOcspResponse[]
  readonly nonce: Uint8Array | undefined
  readonly maximumAgeMs: number
  readonly skewMs: number
  readonly responders: readonly Certificate[]
  /** Keys that verified a response before. */
  readonly signedBy: WeakMap<BasicOcspResponse, PublicKey>
  /** Certificates that came with a response, read before. */
  readonly sent: WeakMap<BasicOcspResponse, readonly Certificate[]>
}

function answersFrom(responses: OcspCheckerOptions['responses']): Settings['answersFor'] {
  if (typeof responses !== 'function') {
    const answers = responses.flatMap(readAnswer)
    return () => answers
  }
  // A verification has one budget, and may try the same certificate in hundreds of paths.
  const asked = new WeakMap<Budget, AnswersOfOne>()
  return ({ certificate, budget }) => {
    let known = asked.get(budget)
    if (known === undefined) asked.set(budget, (known = { about: new Map(), read: new Map() }))
    let answers = known.about.get(certificate)
    if (answers === undefined)
      known.about.set(
        certificate,
        (answers = responses(certificate).flatMap((input) => readOnce(input, known.read, budget))),
      )
    return answers
  }
}

/** What one verification was given: by the certificate it is about, and by the bytes, as one staple may be given for every certificate. */
interface AnswersOfOne {
  readonly about: Map<Certificate, readonly BasicOcspResponse[]>
  readonly read: Map<OcspResponseInput, readonly BasicOcspResponse[]>
}

function readOnce(
  input: OcspResponseInput,
  read: AnswersOfOne['read'],
  budget: Budget,
): readonly BasicOcspResponse[] {
  let answers = read.get(input)
  if (answers === undefined) {
    if (input instanceof Uint8Array) budget.spend('bytes', input.length)
    read.set(input, (answers = readAnswer(input)))
  }
  return answers
}

function readAnswer(input: OcspResponseInput): BasicOcspResponse[] {
  try {
    const { answer } = OcspResponse.from(input)
    return answer === undefined ? [] : [answer]
  } catch (error) {
    // Nobody vouches for a response before it is verified: one that is no response says nothing.
    if (isPkiError(error) && error.code !== 'ERR_INVALID_ARGUMENT') return []
    throw error
  }
}

function rejectionFor(answer: Answer, mode: RevocationMode, certificate: Certificate): Rejection | undefined {
  if (answer.status === 'revoked') {
    const status = answer.response.certificateStatus
    const said =
      status.status === 'revoked'
        ? `it was revoked at ${status.revokedAt.toISOString()}, reason ${status.reason}`
        : 'it was revoked'
    return reject('ERR_REVOKED', 'RFC 6960 §2.2', said, certificate)
  }
  if (answer.status === 'good' || mode === 'soft-fail') return undefined
  return reject(
    'ERR_REVOCATION_UNKNOWN',
    answer.rule,
    `its status cannot be determined: ${answer.reason}`,
    certificate,
  )
}

/** "Revoked" of any current response wins, then the latest of "good" and of "revoked" past its time. @throws ERR_PATH_BUDGET */
function ocspStatus(query: RevocationQuery, settings: Settings): Answer {
  return worst(settings.answersFor(query).map((answer) => askAnswer(answer, query, settings))) ?? notAbout
}

/** A response may hold several answers about one certificate; its signature is checked once, and only where one of them could count. */
function askAnswer(answer: BasicOcspResponse, query: RevocationQuery, settings: Settings): Answer {
  const about = answer.responses.filter(({ certificateId }) => isAbout(certificateId, query))
  const found = about.map(
    (response) =>
      responseFault(answer, response, query, settings) ??
      statusOf(response, staleFault(response, query.time.getTime(), settings)),
  )
  const counts = found.some(({ status }) => status !== 'unknown')
  return (counts ? responderFault(answer, query, settings) : undefined) ?? worst(found) ?? notAbout
}

/** An answer with the right serial number costs three hashes: it counts as sixteen comparisons. @throws ERR_PATH_BUDGET */
function isAbout(
  certificateId: OcspCertificateId,
  { certificate, issuer, budget }: RevocationQuery,
): boolean {
  const sameNumber = equalBytes(certificateId.serialNumberBytes, certificate.serialNumberBytes)
  budget.spend('nameComparisons', sameNumber ? 16 : 1)
  return sameNumber && certificateId.identifies(certificate, issuer)
}

/**
 * A current "revoked" first, and the last that does not know if there is nothing else. "Good" stands where it is later than every "revoked" past
 * its time: who holds a stolen key shows the answer of before it was revoked for as long as that lasts.
 */
function worst(answers: readonly Answer[]): Answer | undefined {
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
    telling.at(-1)
  )
}

/** An answer that is past its time cannot clear anybody; what it revoked for good stays revoked. The same holds of CRLs. */
function statusOf(response: OcspSingleResponse, stale: Answer | undefined): Answer {
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
    : unknown('RFC 6960 §2.2', 'the responder does not know it')
}

/** What is wrong with one answer, signature aside. */
function responseFault(
  answer: BasicOcspResponse,
  response: OcspSingleResponse,
  query: RevocationQuery,
  settings: Settings,
): Answer | undefined {
  const critical = [...answer.extensions, ...response.extensions].find(
    ({ oid, critical: must }) => must && oid !== nonceOid,
  )
  if (critical !== undefined)
    return unknown(
      'RFC 6960 §4.4',
      `the response has the critical extension ${critical.oid}, which is not known`,
    )
  if (
    settings.nonce !== undefined &&
    (answer.nonce === undefined || !equalBytes(answer.nonce, settings.nonce))
  ) {
    return unknown(
      'RFC 9654 §2.1',
      answer.nonce === undefined
        ? 'the response does not repeat the nonce'
        : 'the response has the nonce of another request',
    )
  }
  const latest = query.time.getTime() + settings.skewMs
  const { thisUpdate, nextUpdate } = response
  if (thisUpdate.getTime() > latest || answer.producedAt.getTime() > latest)
    return unknown(timesRule, 'the response is from the future')
  return nextUpdate !== undefined && nextUpdate.getTime() < thisUpdate.getTime()
    ? unknown(timesRule, 'the response ends before it begins')
    : undefined
}

/** RFC 6960 §3.2 5 and 6, §4.2.2.1; the last second of an answer belongs to it. */
function staleFault(
  { thisUpdate, nextUpdate }: OcspSingleResponse,
  now: number,
  { maximumAgeMs }: Settings,
): Answer | undefined {
  if (nextUpdate === undefined && maximumAgeMs === Infinity)
    return unknown(
      'RFC 6960 §4.2.2.1',
      'the response does not say how long it holds, and no greatest age was given',
    )
  if (nextUpdate !== undefined && now >= nextUpdate.getTime() + 1000)
    return unknown('RFC 6960 §3.2 6', 'the response is past its next update')
  return now - thisUpdate.getTime() > maximumAgeMs
    ? unknown(timesRule, 'the response is older than this verification takes')
    : undefined
}

/** RFC 6960 §4.2.2.2: the issuer itself, or who was certified for it by that very issuer. */
function responderFault(
  answer: BasicOcspResponse,
  query: RevocationQuery,
  settings: Settings,
): Answer | undefined {
  const { issuer } = query
  if (answer.isBy(issuer)) {
    if (
      issuer.certificate?.keyUsage?.has('digitalSignature') === false &&
      !issuer.certificate.keyUsage.has('keyCertSign')
    )
      return unknown('RFC 6960 §4.2.2.2', 'the issuer may not sign')
    if (isSignedBy(answer, issuer.publicKey, query, settings)) return undefined
  }
  let fault = unknown(
    'RFC 6960 §4.2.2.2',
    'it was signed neither by the issuer nor by a responder of the issuer',
  )
  for (const responder of respondersOf(answer, settings)) {
    if (!responder.issuer.equals(issuer.subject) || !signedByIssuer(responder, query)) continue
    const refused = query.verifyAuthority(responder, 'ocsp')
    if (refused !== undefined)
      fault = unknown('RFC 6960 §4.2.2.2', `its responder is refused: ${refused.message}`)
    else if (isSignedBy(answer, responder.publicKey, query, settings)) return undefined
    else fault = unknown('RFC 6960 §3.2 2', 'its signature does not verify')
  }
  return fault
}

function respondersOf(answer: BasicOcspResponse, { responders, sent }: Settings): Certificate[] {
  let read = sent.get(answer)
  if (read === undefined) sent.set(answer, (read = answer.certificates.flatMap(readCertificate)))
  return [...read, ...responders].filter((certificate) => answer.isBy(certificate))
}

function readCertificate(der: Uint8Array): Certificate[] {
  try {
    const certificate = Certificate.parse(der)
    certificate.checkAll()
    return [certificate]
  } catch {
    return [] // certificates that came along are help, not a claim
  }
}

function signedByIssuer(responder: Certificate, { issuer, budget }: RevocationQuery): boolean {
  budget.spendSignatureCheck(issuer.publicKey.bits)
  return responder.verifySignatureBy(issuer.publicKey)
}

function isSignedBy(
  answer: BasicOcspResponse,
  key: PublicKey,
  { budget }: RevocationQuery,
  { signedBy }: Settings,
): boolean {
  if (signedBy.get(answer)?.equals(key) === true) return true
  budget.spendSignatureCheck(key.bits)
  if (!answer.verifySignatureBy(key)) return false
  signedBy.set(answer, key)
  return true
}

function unknown(rule: string, reason: string): Extract<Answer, { status: 'unknown' }> {
  return { status: 'unknown', rule, reason }
}

const notAbout: Answer = unknown('RFC 6960 §3.2 1', 'no OCSP response is about it')
const timesRule = 'RFC 6960 §3.2 5'
const sufficiencies: readonly unknown[] = ['all', 'one']
const nonceOid = '1.3.6.1.5.5.7.48.1.2'
