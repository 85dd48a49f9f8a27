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
export {
  formatSpiffeBundle,
  parseSpiffeBundle,
  formatBundleMap,
  parseBundleMap,
} from './spiffe-bundle-document.ts'
export type {
  FormatBundleOptions,
  IgnoredKey,
  SpiffeBundleOptions,
  BundleMapOptions,
} from './spiffe-bundle-document.ts'
export { JwtAuthority } from './jwt-authority.ts'
export type { JwtSvidAlgorithm, JwkMembers, PublicJwk } from './jwt-authority.ts'
// X.509-SVIDs
export { X509Svid, hasBothTlsPurposes } from './x509-svid.ts'
export { X509SvidValidator, verifyX509Svid } from './x509-svid-validator.ts'
export type { X509SvidOptions, X509SvidValidatorOptions, X509SvidVerdict } from './x509-svid-validator.ts'
// JWT-SVIDs
export { JwtSvid } from './jwt-svid.ts'
export { verifyJwtSvid } from './verify-jwt-svid.ts'
export type { JwtSvidOptions } from './verify-jwt-svid.ts'
export { issueJwtSvid } from './issue-jwt-svid.ts'
export type { JwtSvidFields } from './issue-jwt-svid.ts'
