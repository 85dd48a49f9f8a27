// Combinators for authenticators: any of several, all of several, one audience only, one use only.

import { nameOf, readOptions } from '../internal/options.ts'
import { isPkiError, PkiError } from '../errors/index.ts'
import type { SpiffeId } from '../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'
import { CompositeAuthenticator } from './composite-authenticator.ts'
import { requireAudience } from './jwt/verify-token.ts'
import { authenticationError, checkCaller, requireAuthenticator } from './require-caller.ts'
import type { OneTimeStore } from './secrets/one-time-store.ts'

/**
 * The first authenticator that finds a credential of its kind decides. An absent credential moves on to the
 * next authenticator; an invalid one ends authentication.
 *
 * @example
 * ```ts
 * const either = anyOf(authenticator, new JoinTokenAuthenticator({ store: createMemoryOneTimeStore() }))
 * ```
 * @throws ERR_INVALID_ARGUMENT for an empty list
 */
export function anyOf(...authenticators: readonly Authenticator[]): Authenticator {
  return new CompositeAuthenticator({ authenticators })
}

/** Options of `allOf`. @inline */
interface AllOfOptions {
  /**
   * Whether the credentials belong together. Default: they have an identity in common, and the caller gets
   * the common identities.
   */
  readonly binding?:
    ((callers: readonly Caller[], request: AuthenticationRequest) => boolean | Promise<boolean>) | undefined
}

/**
 * Every authenticator must find a valid credential, and the credentials must belong together, such as a token
 * and the certificate of its connection. Without any credential the result is `undefined`; with only some of
 * them the call is rejected. With a custom `binding`, the caller gets the identities of the first
 * authenticator.
 *
 * `claims` contains the claims of each authenticator under its name.
 *
 * @example
 * ```ts
 * const both = allOf([authenticator, new JoinTokenAuthenticator({ store: createMemoryOneTimeStore() })])
 * ```
 * @throws ERR_INVALID_ARGUMENT for fewer than two, or two of one name
 */
export function allOf(authenticators: readonly Authenticator[], options: AllOfOptions = {}): Authenticator {
  if (!Array.isArray(authenticators))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `allOf: expected an array of authenticators, found ${nameOf(authenticators)}`,
    )
  const all = (authenticators as readonly Authenticator[]).map((one) => requireAuthenticator('allOf', one))
  const { binding } = readOptions<AllOfOptions>('allOf', options, { binding: 'optional' })
  if (all.length < 2 || new Set(all.map(({ name }) => name)).size < all.length)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'allOf: expected two or more authenticators with different names',
    )
  if ('binding' in options && typeof binding !== 'function')
    throw new PkiError('ERR_INVALID_ARGUMENT', `allOf: binding must be a function, found ${nameOf(binding)}`)
  const name = all.map((one) => one.name).join('+')
  return {
    name,
    async authenticate(request) {
      const callers: Caller[] = []
      const absent: string[] = []
      for (const one of all) {
        const caller = await one.authenticate(request)
        if (caller === undefined) absent.push(one.name)
        else callers.push(checkCaller(caller, one.name))
      }
      if (callers.length === 0) return undefined
      if (absent.length > 0)
        throw authenticationError(
          `the request has no credential for ${absent.join(', ')}, and all are required`,
        )
      const identities = binding === undefined ? shared(callers) : (callers[0] as Caller).identities
      // Only the literal `true` accepts.
      const bound: unknown = binding === undefined ? identities.length > 0 : await binding(callers, request)
      if (bound !== true) throw authenticationError(`the credentials of ${name} belong to different callers`)
      const kubernetes = callers.find((caller) => caller.kubernetes !== undefined)?.kubernetes
      const caller = {
        identities,
        credential: callers.map(({ credential }) => credential).join('+'),
        ...(kubernetes === undefined ? {} : { kubernetes }),
        claims: Object.fromEntries(callers.map(({ claims }, at) => [all[at]?.name ?? '', claims])),
      }
      return checkCaller(caller, name)
    },
  }
}

/**
 * Accepts a caller only if `claims.aud` contains one of the audiences: for authenticators that do not check
 * the audience themselves.
 *
 * @example
 * ```ts
 * const forUs = withAudience(authenticator, 'spiffe-pki')
 * ```
 * @throws ERR_INVALID_ARGUMENT if no audience is given
 */
export function withAudience(
  authenticator: Authenticator,
  audience: string | readonly string[],
): Authenticator {
  const wanted = requireAudience('withAudience', audience)
  return wrap('withAudience', authenticator, ({ claims }) => {
    const { aud } = claims
    const found: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
    if (!found.every((name) => typeof name === 'string') || !found.some((name) => wanted.includes(name)))
      throw authenticationError(
        `the credential is for the audience ${JSON.stringify(found).slice(0, 256)}, expected ` +
          wanted.join(' or '),
      )
  })
}

/** Options of `withNonce`. @inline */
interface NonceOptions {
  /** Remembers used values; several processes can share one store. */
  readonly store: OneTimeStore
  /** The claim that is different in every credential. Default `jti`. */
  readonly claim?: string | undefined
}

/**
 * Accepts each value of a claim once, so that an intercepted token cannot be used again. The value is
 * remembered until `claims.exp`. A credential without `exp` or without the claim is refused.
 *
 * @example
 * ```ts
 * const once = withNonce(authenticator, { store: createMemoryOneTimeStore() })
 * ```
 * @throws ERR_INVALID_ARGUMENT
 */
export function withNonce(authenticator: Authenticator, options: NonceOptions): Authenticator {
  const { store, claim = 'jti' } = readOptions<NonceOptions>('withNonce', options, {
    store: 'required',
    claim: 'optional',
  })
  if (
    typeof (Object(store) as Partial<OneTimeStore>).add !== 'function' ||
    typeof claim !== 'string' ||
    claim === ''
  )
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'withNonce: expected a store with the method add, and the name of a claim',
    )
  return wrap('withNonce', authenticator, async ({ claims }) => {
    const [nonce, exp, issuer] = [claims[claim], claims['exp'], claims['iss']]
    if (typeof nonce !== 'string' || nonce === '' || nonce.length > maxNonceLength || typeof exp !== 'number')
      throw authenticationError(`the credential has no ${claim} or no exp, which one-time use requires`)
    // Longer than any authenticator accepts the credential: clocks may differ by five minutes at most.
    const until = new Date((exp + 300) * 1000)
    // Nonces are unique per issuer only.
    const key = `nonce:${JSON.stringify([authenticator.name, issuer ?? null, nonce])}`
    if (!(await store.add(key, '', until)))
      throw authenticationError(`the credential was used before (${claim})`)
  })
}

function wrap(
  owner: string,
  authenticator: Authenticator,
  check: (caller: Caller) => void | Promise<void>,
): Authenticator {
  requireAuthenticator(owner, authenticator)
  return {
    name: authenticator.name,
    async authenticate(request) {
      const answer = await authenticator.authenticate(request)
      if (answer === undefined) return undefined
      const caller = checkCaller(answer, authenticator.name)
      try {
        await check(caller)
      } catch (cause) {
        if (isPkiError(cause)) throw cause
        throw new PkiError('ERR_AUTHENTICATOR_UNAVAILABLE', `${owner} cannot verify the credential now`, {
          cause,
        })
      }
      return caller
    },
  }
}

function shared([first, ...others]: readonly Caller[]): readonly SpiffeId[] {
  return (first?.identities ?? []).filter((id) =>
    others.every(({ identities }) => identities.some((other) => other.equals(id))),
  )
}

const maxNonceLength = 1_024
