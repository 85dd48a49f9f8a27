// Revocation: the inner face of this folder.

export { createCrlChecker } from './crl-checker.ts'
export type { CrlCheckerOptions, RevocationMode } from './crl-checker.ts'
