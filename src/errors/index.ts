/**
 * One error class and its closed catalogue of codes.
 *
 * @module spiffe-pki/errors
 */
export type { PkiErrorCode } from './error-codes.ts'
export { PkiError, isPkiError } from './pki-error.ts'
