// Code and a webhook that run after a policy: they can only restrict or refuse the decisions of the policy.

import type { Caller } from '../../auth/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { isCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { formatGeneralName } from '../../x509/internal.ts'
import { frozenDecision } from '../frozen-decision.ts'
import type { AllowedDecision } from '../frozen-decision.ts'
import type { IssuanceDecision, IssuancePolicy, PolicyRequest } from '../issuance-policy.ts'
import { askWebhook, checkWebhook } from './policy-webhook.ts'
import type { PolicyWebhookOptions } from './policy-webhook.ts'

/** The answer of a hook. @inline */
interface HookAnswer {
  /** Anything but `true` refuses. */
  readonly allowed: boolean
  /** The reason of a refusal, for the caller and the log. */
  readonly reason?: string | undefined
  /** Shortens a longer validity to this limit. */
  readonly maxTtlSeconds?: number | undefined
  /** Names to omit, such as `DNS:a.example.org` and `IP:10.0.0.1`; the SPIFFE ID cannot be omitted. */
  readonly withoutNames?: readonly string[] | undefined
}

/** Options of `withPolicyHooks`. @inline */
export interface PolicyHooksOptions {
  /**
   * Called for each request that the policy allows. An error that it throws refuses the request: a `PkiError`
   * with its code, any other error with ERR_POLICY_FAILED.
   */
  readonly hook?: (
    request: PolicyRequest,
    caller: Caller,
    decision: AllowedDecision,
  ) => HookAnswer | Promise<HookAnswer>
  /** Called after `hook`, over HTTP. Without an answer before the deadline the request is refused. */
  readonly webhook?: PolicyWebhookOptions
  /** The clock for the time in the request to the webhook and for its deadline. Default: the system clock. */
  readonly clock?: Clock | undefined
}

/**
 * A policy whose decisions your own code, a service, or both can narrow or refuse. Neither can allow what the
 * policy refuses, add a name or extend the validity. `trimmed` of the decision lists what they remove, with
 * the rules `hook` and `webhook`.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const inOfficeHours = withPolicyHooks(policy, {
 *   hook: ({ dryRun }, caller) => ({
 *     allowed: caller.credential !== 'api-key' || dryRun === true,
 *     reason: 'API keys are for plans',
 *   }),
 * })
 * ```
 */
export function withPolicyHooks(policy: IssuancePolicy, options: PolicyHooksOptions): IssuancePolicy {
  const {
    hook,
    webhook,
    clock = systemClock,
  } = readOptions('withPolicyHooks', options, { hook: 'guard', webhook: 'guard', clock: 'optional' })
  if (typeof (Object(policy) as Partial<IssuancePolicy>).decide !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'withPolicyHooks: the policy has no method decide')
  if (hook === undefined && webhook === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'withPolicyHooks needs hook, webhook or both')
  if (hook !== undefined && typeof hook !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `withPolicyHooks: hook must be a function, found ${nameOf(hook)}`,
    )
  const checked = webhook && checkWebhook(webhook)
  return {
    decide: async (request, caller) => {
      let decision = await policy.decide(request, caller)
      // A hook receives the decision frozen, and can change it only by its answer.
      if (decision.allowed) decision = frozenDecision(decision)
      if (hook !== undefined && decision.allowed)
        decision = narrow(decision, await called(hook, request, caller, decision), 'hook')
      if (checked !== undefined && decision.allowed)
        decision = narrow(decision, await askWebhook(checked, clock, request, caller, decision), 'webhook')
      return decision
    },
  }
}

async function called(
  hook: NonNullable<PolicyHooksOptions['hook']>,
  ...[request, caller, decision]: Parameters<NonNullable<PolicyHooksOptions['hook']>>
): Promise<unknown> {
  try {
    return await hook(request, caller, decision)
  } catch (cause) {
    if (isPkiError(cause)) throw cause
    throw new PkiError('ERR_POLICY_FAILED', 'the hook of the policy threw an error', { cause })
  }
}

/**
 * Applies the answer to the decision.
 *
 * @throws ERR_POLICY_FAILED for an answer that cannot be read
 */
function narrow(decision: AllowedDecision, answer: unknown, rule: string): IssuanceDecision {
  const { allowed, reason, maxTtlSeconds, withoutNames = [] } = membersOf(answer, rule)
  if (typeof allowed !== 'boolean') throw unreadable(rule, 'allowed is neither true nor false')
  if (reason !== undefined && typeof reason !== 'string') throw unreadable(rule, 'reason is not a string')
  if (!allowed) {
    const why = reason?.slice(0, 1024) ?? 'refused without a reason'
    return { allowed: false, rule, code: 'ERR_POLICY_DENIED', reason: why }
  }
  if (maxTtlSeconds !== undefined && !isCount(maxTtlSeconds, 1))
    throw unreadable(rule, 'maxTtlSeconds is not a whole number of at least 1')
  if (!Array.isArray(withoutNames)) throw unreadable(rule, 'withoutNames is not a list')
  return cut(decision, withoutNames, (maxTtlSeconds as number | undefined) ?? Infinity, rule)
}

function membersOf(answer: unknown, rule: string): Partial<Record<string, unknown>> {
  if (typeof answer !== 'object' || answer === null) throw unreadable(rule, 'it is not an object')
  const odd = Object.keys(answer).find((key) => !answerKeys.includes(key))
  // A restriction with a misspelt key must not be lost.
  if (odd !== undefined) throw unreadable(rule, `the key ${JSON.stringify(odd.slice(0, 64))} is unknown`)
  return answer
}

/** The decision without the names, valid for `limit` seconds at most. @throws ERR_POLICY_FAILED */
function cut(
  decision: AllowedDecision,
  withoutNames: readonly unknown[],
  limit: number,
  rule: string,
): AllowedDecision {
  const without = new Set(withoutNames)
  const { content } = decision
  const gone = content.subjectAltName.filter((name) => without.delete(formatGeneralName(name)))
  if (gone.some(({ type }) => type === 'uri')) throw unreadable(rule, 'withoutNames contains the SPIFFE ID')
  if (without.size > 0) throw unreadable(rule, 'withoutNames contains a name that is not in the decision')
  const shorter = limit < (content.maxTtlSeconds ?? Infinity)
  const trimmed = gone.map((name) => `${formatGeneralName(name)} omitted by ${rule}`)
  if (shorter) trimmed.push(`validity: at most ${limit} s by ${rule}`)
  return {
    ...decision,
    content: {
      ...content,
      subjectAltName: content.subjectAltName.filter((name) => !gone.includes(name)),
      maxTtlSeconds: shorter ? limit : content.maxTtlSeconds,
    },
    trimmed: [...decision.trimmed, ...trimmed],
  }
}

function unreadable(rule: string, what: string): PkiError<'ERR_POLICY_FAILED'> {
  return new PkiError('ERR_POLICY_FAILED', `the ${rule} of the policy returned an invalid decision: ${what}`)
}

const answerKeys = ['allowed', 'reason', 'maxTtlSeconds', 'withoutNames']
