/**
 * RFC 5280 path validation: builds, checks and explains paths.
 *
 * @module spiffe-pki/validation
 */
export { explainVerdict } from './verdict/explain-verdict.ts'
export { PathError } from './verdict/verdict.ts'
export { PathValidator, createPathValidator } from './path-validator.ts'
export { verifyPath, verifyPathOrThrow } from './verify-path.ts'
export { validationProfiles } from './profile.ts'
export type { ValidationProfile } from './profile.ts'
export type { Rejection } from './verdict/rejection.ts'
export type { RevocationChecker, RevocationQuery } from './revocation-contract.ts'
export type { TrustAnchor } from './trust-anchor.ts'
export type { Verdict, VerifiedPath } from './verdict/verdict.ts'
export { combineRevocationCheckers, createCrlChecker, createOcspChecker } from './revocation/index.ts'
