/**
 * Policies from YAML or JSON files, reloaded when they change: issuance policies, and Istio's
 * AuthorizationPolicy and PeerAuthentication.
 *
 * @module spiffe-pki/policy-file
 */
export { openPolicyFile } from './policy-file.ts'
export type { PolicyFile } from './policy-file.ts'
export { openAuthorizationFile } from './authorization-file.ts'
