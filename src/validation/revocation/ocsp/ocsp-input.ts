// The OCSP responses given to a checker, each read once.

import { isPkiError } from '../../../errors/index.ts'
import { OcspResponse } from '../../../x509/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { readAnswerToAccuse } from '../../../x509/internal.ts'
import type { BasicOcspResponse } from '../../../x509/internal.ts'
import type { Budget } from '../../budget.ts'
import { PkiError } from '../../../errors/index.ts'
import { accusingTolerances } from '../accusing-tolerances.ts'
import type { FormFaults, GivenAnswer, OcspSettings } from './ocsp-answer.ts'

/** A response as octets or parsed; a parsed one is verified only once, however often it is used. @inline */
export type OcspResponseInput = OcspResponse | Uint8Array

type ResponsesOption =
  readonly OcspResponseInput[] | ((certificate: Certificate) => readonly OcspResponseInput[])

/** The answers for a certificate. */
export function answersFrom(responses: ResponsesOption, formFaults: FormFaults): OcspSettings['answersFor'] {
  if (typeof responses !== 'function') {
    const answers = responses.flatMap((input) => readAnswer(input, formFaults))
    return () => answers
  }
  // One verification has one budget, and may try the same certificate in hundreds of paths.
  const asked = new WeakMap<Budget, AnswersOfOne>()
  return ({ certificate, budget }) => {
    let known = asked.get(budget)
    if (known === undefined) asked.set(budget, (known = { about: new Map(), read: new Map() }))
    let answers = known.about.get(certificate)
    if (answers === undefined)
      known.about.set(
        certificate,
        (answers = responsesOf(responses(certificate)).flatMap((input) =>
          readOnce(input, { read: known.read, budget, formFaults }),
        )),
      )
    return answers
  }
}

/**
 * The responses of one verification, cached by certificate and by octets, because one staple may be given for
 * every certificate.
 */
interface AnswersOfOne {
  readonly about: Map<Certificate, readonly GivenAnswer[]>
  readonly read: Map<OcspResponseInput, readonly GivenAnswer[]>
}

function readOnce(
  input: OcspResponseInput,
  {
    read,
    budget,
    formFaults,
  }: Pick<AnswersOfOne, 'read'> & { readonly budget: Budget; readonly formFaults: FormFaults },
): readonly GivenAnswer[] {
  let answers = read.get(input)
  if (answers === undefined) {
    if (input instanceof Uint8Array) budget.spend('octets', input.length)
    read.set(input, (answers = readAnswer(input, formFaults)))
  }
  return answers
}

function readAnswer(input: OcspResponseInput, formFaults: FormFaults): GivenAnswer[] {
  try {
    const { answer, status } = OcspResponse.from(input)
    return [answer ?? `the response has no answer, and the status ${status}`]
  } catch (error) {
    // An unverified response that cannot be parsed is ignored, and named if no other answers.
    if (!isPkiError(error) || error.code === 'ERR_INVALID_ARGUMENT') throw error
    const answers = input instanceof Uint8Array ? readToAccuse(input) : []
    for (const answer of answers) formFaults.set(answer, error.message)
    return answers.length === 0 ? [`the response is malformed: ${error.message}`] : answers
  }
}

/** A response that is refused only for its form can revoke, but cannot show a good status. */
function readToAccuse(octets: Uint8Array): BasicOcspResponse[] {
  try {
    const answer = readAnswerToAccuse(octets, accusingTolerances)
    return answer === undefined ? [] : [answer]
  } catch (error) {
    if (isPkiError(error)) return []
    throw error
  }
}

function responsesOf(given: unknown): readonly OcspResponseInput[] {
  if (Array.isArray(given)) return given as readonly OcspResponseInput[]
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    'the function responses must return an array of OCSP responses, not a promise',
  )
}
