// How authenticators say no, and how callers are checked before anything is done for them.

import { PkiError } from '../errors/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import type { AuthenticationError, AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'

/**
 * A credential that is present and bad. The text is for the log: transports answer every failed authentication alike.
 *
 * @param message What was found and what was wanted; never the credential itself.
 */
export function authenticationError(message: string, options?: { readonly cause?: unknown }): AuthenticationError {
  return new PkiError('ERR_CREDENTIAL_INVALID', message, options)
}

/**
 * The caller, or an error: there is no anonymous caller.
 *
 * @throws ERR_CREDENTIAL_MISSING when no authenticator found a credential of its kind; ERR_CREDENTIAL_INVALID,
 * ERR_CLIENT_CERTIFICATE_UNTRUSTED when one found a bad one; ERR_AUTHENTICATOR_FAILED when one could not tell
 */
export async function requireCaller(authenticator: Authenticator, request: AuthenticationRequest): Promise<Caller> {
  const caller = await authenticator.authenticate(request)
  if (caller === undefined) throw new PkiError('ERR_CREDENTIAL_MISSING', `no credential that ${authenticator.name} knows was sent`)
  return checkCaller(caller, authenticator.name)
}

/**
 * Checks what an authenticator answered: a caller without an identity, or with one that is no SpiffeId, is nobody.
 *
 * @throws ERR_AUTHENTICATOR_FAILED
 */
export function checkCaller(caller: Caller, name: string): Caller {
  const identities: unknown = (caller as Partial<Caller> | null)?.identities
  if (!Array.isArray(identities) || identities.length === 0) throw failed(name, 'answered with a caller that has no identity')
  if (identities.length > maxIdentities) throw failed(name, `answered with ${identities.length} identities; at most ${maxIdentities} are taken`)
  if (!identities.every((id) => id instanceof SpiffeId)) throw failed(name, 'answered with an identity that is not a SpiffeId')
  return caller
}

/** An authenticator that could not tell, which denies as a bad credential does. */
export function authenticatorFailed(name: string, cause: unknown): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} could not judge the credential`, { cause })
}

function failed(name: string, what: string): PkiError<'ERR_AUTHENTICATOR_FAILED'> {
  return new PkiError('ERR_AUTHENTICATOR_FAILED', `${name} ${what}`)
}

const maxIdentities = 64
