/**
 * Authentication of callers: the contract for authenticators, and the authenticators of the package.
 *
 * @module spiffe-pki/auth
 */
export type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'
export { authenticationError, requireCaller } from './require-caller.ts'
// certificates
export { ClientCertificateAuthenticator } from './client-certificate-authenticator.ts'
export type { RevocationLookup } from './client-certificate-authenticator.ts'
export { X509SvidAuthenticator } from './spiffe/x509-svid-authenticator.ts'
export { XfccAuthenticator } from './xfcc/xfcc-authenticator.ts'
// tokens
export { OidcAuthenticator } from './jwt/oidc-authenticator.ts'
export { oidcRecipes } from './jwt/oidc-recipes.ts'
export { KubernetesTokenAuthenticator } from './kubernetes/kubernetes-token-authenticator.ts'
export { TokenReviewAuthenticator } from './kubernetes/token-review-authenticator.ts'
export { JwtSvidAuthenticator } from './spiffe/jwt-svid-authenticator.ts'
// secrets
export { ApiKeyAuthenticator } from './secrets/api-key-authenticator.ts'
export { JoinTokenAuthenticator } from './secrets/join-token-authenticator.ts'
export { createMemoryOneTimeStore } from './secrets/one-time-store.ts'
export type { OneTimeStore } from './secrets/one-time-store.ts'
// composition
export { CompositeAuthenticator } from './composite-authenticator.ts'
export { allOf, anyOf, withAudience, withNonce } from './compose.ts'
// impersonation
export { createNodeAuthorizer } from './kubernetes/node-authorizer.ts'
export { createMemoryPodIndex } from './kubernetes/pod-index.ts'
export type { PodIndex } from './kubernetes/pod-index.ts'
