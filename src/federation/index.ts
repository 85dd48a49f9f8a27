/**
 * Other trust domains: which are trusted, by which bundle, how, and until when.
 *
 * @module spiffe-pki/federation
 */
export { TrustDomainRegistry } from './trust-domain-registry.ts'
