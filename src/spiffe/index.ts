/**
 * SPIFFE IDs and trust domains: names, and nothing but names.
 *
 * @module spiffe-pki/spiffe
 */
export { TrustDomain } from './trust-domain.ts'
export { TrustDomainAliases } from './trust-domain-aliases.ts'
export { SpiffeId, assertSpiffePath, isSpiffePath, joinSpiffePath, splitSpiffePath } from './spiffe-id.ts'
export { matchAny, matchId, matchMemberOf, matchOneOf, matchPathPattern, requireMatch } from './match.ts'
export type { SpiffeIdMatcher } from './match.ts'
export {
  istioSpiffeId,
  istioTrustDomain,
  parseIstioSpiffeId,
  tryParseIstioSpiffeId,
} from './istio-identity.ts'
export type { IstioIdentity, IstioIdentityInput } from './istio-identity.ts'
export { maxSpiffeIdLength, maxTrustDomainLength } from './grammar.ts'
