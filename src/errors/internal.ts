// The second entry point of errors, for the layers above only: not part of the package's public API.
export { errorCodes } from './error-codes.ts'
