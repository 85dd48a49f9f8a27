/**
 * Who may have which certificate, and why.
 *
 * @module spiffe-pki/policy
 */
export type { IssuanceDecision, IssuancePolicy, PolicyRequest } from './issuance-policy.ts'
export { callerIdentityPolicy } from './caller-identity-policy.ts'
export type { CallerIdentityPolicyOptions } from './caller-identity-policy.ts'
