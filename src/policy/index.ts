/**
 * Policies: which caller may have which certificate, and which caller may call a service.
 *
 * @module spiffe-pki/policy
 */
export type { IssuanceDecision, IssuancePolicy, PolicyRequest } from './issuance-policy.ts'
export { callerIdentityPolicy } from './caller-identity-policy.ts'
export { Authorizer } from './authorization/authorizer.ts'
export { createIdentityProvider } from './identity/identity-provider.ts'
export type { IdentityProvider } from './identity/identity-provider.ts'
export { withPolicyHooks } from './hooks/policy-hooks.ts'
export { createRulePolicy } from './rules/rule-policy.ts'
export type { PolicyDocument } from './rules/policy-document.ts'
export { UsageWatch } from './usage/usage-watch.ts'
export { replayPolicy } from './rules/replay.ts'
