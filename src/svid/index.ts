/**
 * The SPIFFE profile on top of X.509 and JWT: trust bundles, X.509-SVIDs, JWT-SVIDs.
 *
 * @module spiffe-pki/svid
 */
// trust bundles
export { TrustBundle } from './trust-bundle.ts'
export type { TrustBundleContent } from './trust-bundle.ts'
export { TrustBundleSet, requireBundle } from './bundle-source.ts'
export type { BundleSource, TrustBundleChange } from './bundle-source.ts'
export { formatSpiffeBundle, parseSpiffeBundle } from './spiffe-bundle-document.ts'
export type { FormatBundleOptions, IgnoredKey, SpiffeBundleOptions } from './spiffe-bundle-document.ts'
export { formatBundleMap, parseBundleMap } from './bundle-map.ts'
export type { BundleMapOptions } from './bundle-map.ts'
export { JwtAuthority } from './jwt-authority.ts'
export type { JwtSvidAlgorithm } from './jwt-authority.ts'
export type { JwkMembers, PublicJwk } from './jwk.ts'
// X.509-SVIDs
export { X509Svid } from './x509-svid.ts'
export { X509SvidValidator, verifyX509Svid } from './x509-svid-validator.ts'
export type { X509SvidOptions, X509SvidValidatorOptions, X509SvidVerdict } from './x509-svid-validator.ts'
export { hasBothTlsPurposes } from './svid-leaf-rules.ts'
// JWT-SVIDs
export { JwtSvid } from './jwt-svid.ts'
export { verifyJwtSvid } from './verify-jwt-svid.ts'
export type { JwtSvidOptions } from './verify-jwt-svid.ts'
export { issueJwtSvid } from './issue-jwt-svid.ts'
export type { JwtSvidFields } from './issue-jwt-svid.ts'
