// Revocation: internal exports of this folder.

export { combineRevocationCheckers } from './combine-checkers.ts'
export { createCrlChecker } from './crl/crl-checker.ts'
export type { CrlCheckerOptions } from './crl/crl-checker.ts'
export { createOcspChecker } from './ocsp/ocsp-checker.ts'
export type { OcspCheckerOptions } from './ocsp/ocsp-checker.ts'
