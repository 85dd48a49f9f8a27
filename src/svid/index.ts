/**
 * The SPIFFE profile on top of X.509 and JWT: trust bundles, X.509-SVIDs, JWT-SVIDs.
 *
 * @module spiffe-pki/svid
 */
// trust bundles
export { TrustBundle } from './trust-bundle.ts'
export { TrustBundleSet } from './bundle-source.ts'
export type { BundleSource } from './bundle-source.ts'
export { formatSpiffeBundle, parseSpiffeBundle } from './spiffe-bundle-document.ts'
export { formatBundleMap, parseBundleMap } from './bundle-map.ts'
export { JwtAuthority } from './jwt/jwt-authority.ts'
// X.509-SVIDs
export { X509Svid } from './x509-svid.ts'
export { X509SvidValidator, verifyX509Svid } from './x509-svid-validator.ts'
export type { X509SvidVerdict } from './x509-svid-validator.ts'
// JWT-SVIDs
export { JwtSvid } from './jwt/jwt-svid.ts'
export { verifyJwtSvid } from './jwt/verify-jwt-svid.ts'
export { createJwtVerifier } from './jwt/jwt-verifier.ts'
export { issueJwtSvid } from './jwt/issue-jwt-svid.ts'
