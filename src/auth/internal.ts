// The second entry point of auth, for the layers above only: not part of the package's public API.
export type { TlsPeer } from './authenticator.ts'
export { checkCaller } from './require-caller.ts'
