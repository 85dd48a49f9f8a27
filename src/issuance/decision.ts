// Calls the policy, and checks and copies its decision, because a policy is user code and may return any
// value.

import type { Caller } from '../auth/index.ts'
import type { CertificateContent } from '../ca/index.ts'
import { FrozenContent } from '../ca/internal.ts'
import { PkiError, isPkiError } from '../errors/index.ts'
import { errorCodes } from '../errors/internal.ts'
import type { IssuanceDecision, IssuancePolicy } from '../policy/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import { SpiffeId as SpiffeIdParser } from '../spiffe/index.ts'
import type { AdmittedRequest } from './admission.ts'

/** The checked decision of a policy that allows. */
export interface Decision {
  readonly content: CertificateContent
  /** The only SPIFFE ID in the content; without one, the identity that the policy names. */
  readonly identity: SpiffeId
  /** The name of the rule that allows it. */
  readonly rule: string
  /** The requested items that are omitted, as text. */
  readonly trimmed: readonly string[]
  /** Whether a renewed certificate is revoked. */
  readonly revokesRenewed: boolean
}

/** Thrown when the policy refuses, so that refusals and failures are counted separately. */
export class PolicyRefusal extends PkiError {
  readonly policyRule: string

  constructor(code: PkiError['code'], reason: string, rule: string) {
    super(code, `${reason} (rule ${rule})`)
    this.policyRule = rule
  }
}

/** @throws the refusal of the policy; ERR_POLICY_FAILED if it throws, or returns an invalid decision */
export function decide(
  policy: IssuancePolicy,
  { csr, ttlSeconds, source, caller }: AdmittedRequest,
  dryRun = false,
): Decision | Promise<Decision> {
  let answer: unknown
  try {
    answer = policy.decide({ csr, ttlSeconds, source, dryRun }, caller)
    if (isThenable(answer)) return decidedLater(Promise.resolve(answer), caller)
  } catch (cause) {
    throw policyFailure(cause)
  }
  return readDecision(answer, caller)
}

async function decidedLater(answer: Promise<unknown>, caller: Caller): Promise<Decision> {
  let answered: unknown
  try {
    answered = await answer
  } catch (cause) {
    throw policyFailure(cause)
  }
  return readDecision(answered, caller)
}

function policyFailure(cause: unknown): PkiError {
  if (isPkiError(cause)) return cause
  return new PkiError('ERR_POLICY_FAILED', `the policy threw ${nameOf(cause)}`, { cause })
}

function readDecision(answer: unknown, caller: Caller): Decision {
  const decision = Object(answer) as Partial<Record<keyof AllKeys, unknown>>
  if (decision.allowed === false) throw refusalOf(decision)
  if (decision.allowed !== true) throw noDecision('allowed is neither true nor false')
  const content = contentOf(decision.content)
  const trimmed = readTrimmed(decision.trimmed)
  const revokesRenewed = decision.revokesRenewed === true
  const identity = identityOf(content, decision.identity, caller)
  return { content, identity, rule: String(decision.rule), trimmed, revokesRenewed }
}

function isThenable(value: unknown): boolean {
  return typeof (Object(value) as { readonly then?: unknown }).then === 'function'
}

function readTrimmed(trimmed: unknown): readonly string[] {
  if (!Array.isArray(trimmed) || trimmed.length === 0) return nothing
  return Object.freeze(trimmed.slice(0, 100).map(String))
}

type AllKeys = Extract<IssuanceDecision, { allowed: true }> & Extract<IssuanceDecision, { allowed: false }>

function refusalOf({ code, reason, rule }: Partial<Record<keyof AllKeys, unknown>>): PolicyRefusal {
  const known = typeof code === 'string' && Object.hasOwn(errorCodes, code)
  return new PolicyRefusal(
    known ? (code as PkiError['code']) : 'ERR_POLICY_DENIED',
    String(reason),
    String(rule),
  )
}

/** A copy: it is used after the proof of possession, which takes time. */
function contentOf(content: unknown): CertificateContent {
  if (FrozenContent.is(content)) return content
  const given = Object(content) as Partial<CertificateContent>
  const { subjectAltName } = given
  if (!Array.isArray(subjectAltName) || !subjectAltName.every((name) => Object(name) === name))
    throw noDecision('content.subjectAltName is not an array of names')
  return Object.freeze({
    ...given,
    subjectAltName: Object.freeze([...(subjectAltName as CertificateContent['subjectAltName'])]),
  })
}

/**
 * Every certificate of this service is for one workload: records, renewals and quotas use its identity. The
 * SPIFFE ID may be absent only if the policy names the identity instead; the profile of the CA then decides
 * whether it may be absent.
 */
function identityOf(
  { subjectAltName }: CertificateContent,
  named: unknown,
  { identities }: Caller,
): SpiffeId {
  let count = 0
  let uri = ''
  for (const name of subjectAltName) {
    if (name.type !== 'uri') continue
    count++
    uri = name.value
  }
  if (named !== undefined) return namedIdentity(named, count)
  if (count !== 1)
    throw noDecision(`content.subjectAltName has ${count} URIs; expected exactly one, a SPIFFE ID`)
  try {
    return identities.find((id) => id.equals(uri)) ?? SpiffeIdParser.parse(uri)
  } catch (cause) {
    throw new PkiError('ERR_POLICY_FAILED', 'the URI that the policy allows is not a SPIFFE ID', { cause })
  }
}

/** @throws ERR_POLICY_FAILED for both an identity and a URI, or for an identity that is not a workload */
function namedIdentity(named: unknown, uris: number): SpiffeId {
  if (uris > 0) throw noDecision('it has both identity and a URI in content.subjectAltName')
  if (!(named instanceof SpiffeIdParser) || !named.hasPath)
    throw noDecision('identity is not the SPIFFE ID of a workload')
  return named
}

function noDecision(found: string): PkiError {
  return new PkiError('ERR_POLICY_FAILED', `the policy returned an invalid decision: ${found}`)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}

const nothing: readonly string[] = Object.freeze([])
