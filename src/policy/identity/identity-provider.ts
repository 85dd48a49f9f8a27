// Determines the identity of a token, and the actions that it may perform, for services that do not get
// tokens in a header.

import { authenticationError, requireCaller } from '../../auth/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../../auth/index.ts'
import { isPkiError } from '../../errors/index.ts'
import { readOptions } from '../../internal/options.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import type { AuthorizationRequest } from '../authorization/facts.ts'
import { RequestGuard, spiffeIdOf } from './request-guard.ts'
import type { RequestGuardOptions } from './request-guard.ts'

/** The resource: its path, or all known facts of the request. @inline */
type AuthorizedResource = string | Omit<AuthorizationRequest, 'principal' | 'claims' | 'method'>

/** Validates tokens, and decides which actions their holders may perform. */
export interface IdentityProvider {
  /**
   * The holder of a token.
   *
   * @throws ERR_CREDENTIAL_INVALID, ERR_AUTHENTICATOR_FAILED, ERR_AUTHENTICATOR_UNAVAILABLE
   */
  validateIdentity(token: string, signal?: AbortSignal): Promise<Caller>
  /** The SPIFFE ID of an identity. @throws ERR_POLICY_IDENTITY for an identity with several */
  spiffeIdOf(identity: Caller): SpiffeId
  /** Whether the identity may perform the action; an error means no. */
  isAuthorized(identity: Caller, resource: AuthorizedResource, action: string): Promise<boolean>
}

/** Options of `createIdentityProvider`. @inline */
export interface IdentityProviderOptions extends Omit<RequestGuardOptions, 'authenticator'> {
  /** Verifies bearer tokens, as `OidcAuthenticator` and `JwtSvidAuthenticator` do. */
  readonly authenticator: Authenticator
}

/**
 * An identity provider over an authenticator of bearer tokens and an `Authorizer`. The action is the HTTP
 * method, the resource the path. Each refusal is logged and counted with its rule.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const provider = createIdentityProvider({ authenticator, authorizer, tokensAsPrincipals: true })
 * const identity = await provider.validateIdentity(token)
 * if (await provider.isAuthorized(identity, '/orders/7', 'GET'))
 *   console.log(`${provider.spiffeIdOf(identity)} may`)
 * ```
 */
export function createIdentityProvider(options: IdentityProviderOptions): IdentityProvider {
  const read = readOptions<IdentityProviderOptions>('createIdentityProvider', options, {
    authorizer: 'required',
    authenticator: 'required',
    tokensAsPrincipals: 'optional',
    destination: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  const guard = new RequestGuard('createIdentityProvider', read)
  const { authenticator, authorizer } = read
  const refuse = (fields: object, rule: string, source?: SpiffeId): false => {
    guard.refuse(fields, rule, source)
    return false
  }
  return Object.freeze({
    validateIdentity: async (token: string, signal: AbortSignal = new AbortController().signal) => {
      if (typeof token !== 'string' || !/^[\x21-\x7e]{1,16384}$/.test(token))
        throw authenticationError('the token is not text of 1 to 16,384 visible ASCII characters')
      return requireCaller(authenticator, bearing(token, signal))
    },
    spiffeIdOf,
    isAuthorized: (identity: Caller, resource: AuthorizedResource, action: string) => {
      const facts = typeof resource === 'string' ? { path: resource } : resource
      let principal: SpiffeId | undefined
      const about = { identity: namesOf(identity), method: shortened(action) }
      try {
        if (typeof action !== 'string' || action === '') return Promise.resolve(refuse(about, 'no-action'))
        principal = guard.principalOf(identity)
        const claims = identity.claims
        const decision = authorizer.decide({ ...facts, method: action, principal, claims })
        if ((decision.allowed as unknown) === true) return Promise.resolve(true)
        return Promise.resolve(refuse({ ...about, reason: decision.reason }, decision.rule, principal))
      } catch (error) {
        const code = isPkiError(error) ? error.code : 'ERR_INTERNAL'
        const reason = error instanceof Error ? error.message.slice(0, 1024) : 'unknown'
        return Promise.resolve(refuse({ ...about, reason }, code, principal))
      }
    },
  })
}

function bearing(token: string, signal: AbortSignal): AuthenticationRequest {
  return {
    transport: 'token',
    header: (name) => (name === 'authorization' ? [`Bearer ${token}`] : []),
    peer: undefined,
    tls: undefined,
    signal,
  }
}

function namesOf(identity: unknown): string {
  const { identities } = Object(identity) as Partial<Caller>
  return Array.isArray(identities) ? identities.slice(0, 8).map(String).join(' ') : ''
}

function shortened(value: unknown): string {
  return String(value).slice(0, 64)
}
