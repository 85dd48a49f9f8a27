/**
 * RFC 5280 path validation: paths built, checked and explained.
 *
 * @module spiffe-pki/validation
 */
export { Budget, defaultBudget } from './budget.ts'
export type { BudgetKind, BudgetLimits } from './budget.ts'
export { explainVerdict, PathError, isVerifiedPath } from './verdict.ts'
export type { KeyPurpose } from './checks/path-rules.ts'
export { checkNameConstraints } from './names/index.ts'
export type { PeerName } from './names/index.ts'
export type { PathOptions, PathValidatorOptions } from './path-options.ts'
export { PathValidator, createPathValidator, requirePath, verifyPath } from './path-validator.ts'
export type { PolicyInputs } from './policies/check-policies.ts'
export { validationProfiles } from './profile.ts'
export type { CertificateRules, ProfileName, ValidationProfile } from './profile.ts'
export type { Rejection } from './rejection.ts'
export type {
  PathAuthority,
  RevocationChecker,
  RevocationJudgement,
  RevocationQuery,
} from './revocation-contract.ts'
export type { TrustAnchor, TrustAnchorFields, TrustAnchorInput } from './trust-anchor.ts'
export type {
  AcceptedVerdict,
  RejectedPath,
  RejectedVerdict,
  Spent,
  Verdict,
  VerifiedPath,
} from './verdict.ts'
export { combineRevocationCheckers, createCrlChecker, createOcspChecker } from './revocation/index.ts'
export type {
  CrlCheckerOptions,
  OcspCheckerOptions,
  OcspResponseInput,
  RevocationMode,
} from './revocation/index.ts'
