// The second entry point of svid, for the layers above only: not part of the package's public API.
export { isJwtSvidAlgorithm, jwtSvidAlgorithms } from './jwt/jwt-authority.ts'
export type { JwtSvidAlgorithm } from './jwt/jwt-authority.ts'
export { requireBundle } from './bundle-source.ts'
export type { X509SvidOptions, X509SvidValidatorOptions } from './x509-svid-validator.ts'
export type { ReceiptChecker } from './receipt-checker.ts'
