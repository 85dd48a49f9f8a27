/**
 * Who is calling: the contract for authenticators, a composite, and two of them.
 *
 * @module spiffe-pki/auth
 */
export type {
  AuthenticationError,
  AuthenticationRequest,
  Authenticator,
  Caller,
  KubernetesCaller,
  TlsPeer,
} from './authenticator.ts'
export {
  authenticationError,
  checkCaller,
  requireCaller,
  CompositeAuthenticator,
} from './composite-authenticator.ts'
export type { CompositeAuthenticatorOptions } from './composite-authenticator.ts'
export { ClientCertificateAuthenticator } from './client-certificate-authenticator.ts'
export type {
  ClientCertificateAuthenticatorOptions,
  ClientChainVerdict,
} from './client-certificate-authenticator.ts'
export { ApiKeyAuthenticator, generateApiKey, hashApiKey } from './api-key-authenticator.ts'
export type { ApiKeyAuthenticatorOptions, ApiKeyEntry } from './api-key-authenticator.ts'
