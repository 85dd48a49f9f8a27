// The names in a certificate: the DNS names that rules grant to an identity, and whether the SPIFFE ID is
// included.

import type { SpiffeId } from '../../spiffe/index.ts'
import type { GeneralName } from '../../x509/index.ts'
import type { AllowedDecision } from '../frozen-decision.ts'
import type { IssuanceDecision, PolicyRequest } from '../issuance-policy.ts'
import { placeholderValues } from './identity-pattern.ts'
import type { IdentityPattern } from './identity-pattern.ts'
import type { PolicyRule } from './policy-document.ts'

/** A rule, and the identity that it is applied to. */
interface RuleForIdentity {
  readonly rule: PolicyRule
  readonly pattern: IdentityPattern
  readonly identity: SpiffeId
}

/** Whether an ALLOW rule grants the name. */
export function mayHave(name: GeneralName, matches: readonly RuleForIdentity[]): boolean {
  if (name.type !== 'dns') return false
  return matches.some(({ rule, pattern, identity }) => {
    if (rule.dnsNames === undefined || rule.effect === 'deny') return false
    const values = placeholderValues(pattern, identity.path.slice(1).split('/'))
    // A segment may contain characters that are invalid in a DNS name: such a template grants no name.
    return rule.dnsNames.some(
      (template) => template.replace(/\{([^}]*)\}/g, (_, key: string) => values[key] ?? '') === name.value,
    )
  })
}

/** The DNS names only; a SPIFFE ID in the request has selected the identity, and is omitted. */
export function withoutSpiffeId(
  decision: AllowedDecision,
  { rule, identity }: Pick<RuleForIdentity, 'rule' | 'identity'>,
  { csr }: PolicyRequest,
): IssuanceDecision {
  const { content, trimmed } = decision
  const subjectAltName = content.subjectAltName.filter(({ type }) => type !== 'uri')
  if (subjectAltName.length === 0)
    return refuse(rule.name, 'the request asks for none of the DNS names of the rule')
  const cut = csr.subjectAltName?.some(({ type }) => type === 'uri')
    ? [`the SPIFFE ID is omitted by ${rule.name}`]
    : []
  // No subject, because its common name would contain the identity.
  const names = { ...content, subject: undefined, subjectAltName }
  return { ...decision, identity, content: names, trimmed: [...trimmed, ...cut] }
}

function refuse(rule: string, reason: string): IssuanceDecision {
  return { allowed: false, rule, code: 'ERR_POLICY_DENIED', reason }
}
