// Revocation: the inner face of this folder.

export { createCrlChecker } from './crl-checker.ts'
export { combineRevocationCheckers, createOcspChecker } from './ocsp-checker.ts'
export type { OcspCheckerOptions, OcspResponseInput } from './ocsp-checker.ts'
export type { CrlCheckerOptions, RevocationMode } from './crl-checker.ts'
