/**
 * SPIFFE IDs and trust domains: parsing, comparison and matching of names.
 *
 * @module spiffe-pki/spiffe
 */
export { TrustDomain } from './trust-domain.ts'
export { TrustDomainAliases } from './trust-domain-aliases.ts'
export { SpiffeId } from './spiffe-id.ts'
export { match } from './match.ts'
export type { SpiffeIdMatcher } from './match.ts'
export { istio } from './istio-identity.ts'
export type { IstioIdentity } from './istio-identity.ts'
