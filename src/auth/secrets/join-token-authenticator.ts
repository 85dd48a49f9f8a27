// Join tokens: a machine without credentials presents a token, created by an operator, once.

import { createHash, randomBytes } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import { checkMeasures, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { singleHeader } from '../jwt/bearer-token.ts'
import { authenticationError, checkCaller } from '../require-caller.ts'
import { LockOut } from './lock-out.ts'
import type { LockOutOptions } from './lock-out.ts'
import type { OneTimeStore } from './one-time-store.ts'

/** Options of `JoinTokenAuthenticator`. @inline */
export interface JoinTokenAuthenticatorOptions {
  /** Keeps the digests of the tokens; several processes can share one store. */
  readonly store: OneTimeStore
  /** Name of the header. Default `x-join-token`. */
  readonly header?: string | undefined
  /** When a source with repeated failures is locked out. Default 10 failures in 60 s. */
  readonly lockOut?: LockOutOptions | undefined
  readonly clock?: Clock | undefined
}

/**
 * Authenticates by a token that can be used once. The token is consumed atomically, even if the request fails
 * afterwards.
 *
 * @example
 * ```ts
 * const joining = new JoinTokenAuthenticator({ store: createMemoryOneTimeStore() })
 * const identities = ['spiffe://example.org/machine/7']
 * const token = await joining.createToken({ identities, ttlSeconds: 600 })
 * ```
 */
export class JoinTokenAuthenticator implements Authenticator {
  /** `join-token`. */
  readonly name = 'join-token'
  readonly #store: OneTimeStore
  readonly #header: string
  readonly #clock: Clock
  readonly #lockOut: LockOut

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: JoinTokenAuthenticatorOptions) {
    const { store, header, lockOut, clock } = readOptions<JoinTokenAuthenticatorOptions>(
      'JoinTokenAuthenticator',
      options,
      { store: 'required', header: 'optional', lockOut: 'optional', clock: 'optional' },
    )
    if (typeof (store as Partial<OneTimeStore>).take !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'JoinTokenAuthenticator: store has no method take')
    this.#store = store
    this.#header = (header ?? 'x-join-token').toLowerCase()
    this.#clock = clock ?? systemClock
    this.#lockOut = new LockOut('JoinTokenAuthenticator', lockOut ?? {}, this.#clock)
  }

  /**
   * Creates a token of 256 random bits, to be given to its machine over a safe channel. The store keeps its
   * digest.
   *
   * @param request `ttlSeconds` is 1 to 604,800, a week.
   * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID, ERR_STORE_FULL, ERR_STORE_UNAVAILABLE
   */
  async createToken(request: {
    readonly identities: readonly (SpiffeId | string)[]
    readonly ttlSeconds: number
  }): Promise<string> {
    const { identities, ttlSeconds } = readOptions('createToken', request, {
      identities: 'required',
      ttlSeconds: 'required',
    })
    requireCount('identities', identities.length, 1, 64)
    checkMeasures({ ttlSeconds }, 1, maxTtlSeconds)
    const value = JSON.stringify({ identities: identities.map((id) => SpiffeId.from(id).toString()) })
    const token = randomBytes(32).toString('base64url')
    const expiresAt = new Date(this.#clock.now() + ttlSeconds * 1000)
    if (await this.#store.add(keyOf(token), value, expiresAt)) return token
    throw new PkiError('ERR_INTERNAL', 'two random join tokens are the same')
  }

  /**
   * @throws ERR_CREDENTIAL_INVALID unknown, used or expired, or the source is locked out; the errors of the
   * store
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const token = singleHeader(request, this.#header, maxTokenLength)
    if (token === undefined) return undefined
    this.#lockOut.check(request)
    // The lookup is by digest: its time does not depend on how much of the token matches.
    const value = token === '' ? undefined : await this.#store.take(keyOf(token))
    if (value === undefined) {
      this.#lockOut.failed(request)
      throw authenticationError('the join token is unknown, already used or expired')
    }
    const identities = readIdentities(value)
    return checkCaller({ identities, credential: 'join-token', claims: {} }, this.name)
  }
}

function readIdentities(value: string): readonly SpiffeId[] {
  const read = parseJson(value)
  const identities: unknown = isJsonObject(read) ? read['identities'] : undefined
  if (Array.isArray(identities)) return identities.map((id) => SpiffeId.parse(id as string))
  throw new PkiError('ERR_AUTHENTICATOR_FAILED', 'the store has a join token without identities')
}

function keyOf(token: string): string {
  return `join:${createHash('sha256').update(token).digest('base64url')}`
}

const maxTokenLength = 512
const maxTtlSeconds = 7 * 86_400
