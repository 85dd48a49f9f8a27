// Authenticates by API keys, a public id and a secret in a header, against a reloadable list of digests.

import { createHash, randomBytes } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { RefreshedValue, safeLogger } from '../../runtime/internal.ts'
import { authenticationError } from '../require-caller.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../authenticator.ts'
import { singleHeader } from '../jwt/bearer-token.ts'
import { compileKeys, digestOf, keyIdOf, readKeyFile } from './api-key-list.ts'
import type { ApiKeyEntry, ApiKeyList } from './api-key-list.ts'
import { LockOut } from './lock-out.ts'
import type { LockOutOptions } from './lock-out.ts'

/** Options of `ApiKeyAuthenticator`. @inline */
export interface ApiKeyAuthenticatorOptions {
  /**
   * The list of accepted keys, without duplicates; or a function that returns it, called every
   * `reloadSeconds`; or the path of a JSON file with `{ "keys": [...] }`.
   */
  readonly keys:
    readonly ApiKeyEntry[] | (() => readonly ApiKeyEntry[] | Promise<readonly ApiKeyEntry[]>) | string
  /** How often a function or file is read again, in seconds. Default 30. */
  readonly reloadSeconds?: number | undefined
  /**
   * How long the last good list is used while a function or file fails, in seconds; after that every key is
   * refused. Default 3,600.
   */
  readonly maxStaleSeconds?: number
  /** Name of the header. Default `x-api-key`. */
  readonly header?: string | undefined
  /**
   * When a source with repeated failures is locked out; `false` disables this. Default 10 failures in 60 s.
   */
  readonly lockOut?: LockOutOptions | false | undefined
  readonly clock?: Clock | undefined
  /** Receives a warning for each reload that fails. Default: none. */
  readonly logger?: Logger | undefined
}

/**
 * Authenticates by a key in a header: `ID.SECRET`, looked up by its id and compared by its SHA-256 in
 * constant time. A key without an id, as `ApiKeyAuthenticator.generateKey()` makes it, is compared with every
 * entry.
 *
 * A reloaded list is accepted or rejected as a whole.
 *
 * @example
 * ```ts
 * const key = ApiKeyAuthenticator.generateKey('ci') // given to the client once, over a safe channel
 * const authenticator = new ApiKeyAuthenticator({
 *   keys: [
 *     {
 *       id: 'ci',
 *       digest: ApiKeyAuthenticator.digestOf(key),
 *       identities: ['spiffe://example.org/ci'],
 *       expiresAt: '2027-01-01T00:00:00Z',
 *     },
 *   ],
 * })
 * ```
 */
export class ApiKeyAuthenticator implements Authenticator {
  /** `api-key`. */
  readonly name = 'api-key'
  readonly #header: string
  readonly #clock: Clock
  readonly #lockOut: LockOut | undefined
  readonly #fixed: ApiKeyList | undefined
  readonly #reloaded: RefreshedValue<ApiKeyList> | undefined

  /**
   * A new key: 256 random bits, base64url; with an id, `ID.SECRET`.
   *
   * @param id Letters, digits, `-` and `_`, at most 128.
   * @throws ERR_INVALID_ARGUMENT
   */
  static generateKey(id?: string): string {
    const secret = randomBytes(32).toString('base64url')
    if (id === undefined) return secret
    if (typeof id !== 'string' || !/^[A-Za-z0-9_-]{1,128}$/.test(id))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'the id of an API key is 1 to 128 letters, digits, - and _')
    return `${id}.${secret}`
  }

  /**
   * The server's record of a key: its SHA-256, hexadecimal. A plain hash is sufficient for 256 random bits,
   * but not for passwords.
   *
   * @throws ERR_INVALID_ARGUMENT for an empty key, for example from an unset variable
   */
  static digestOf(key: string): string {
    if (typeof key !== 'string' || key === '')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `an API key must be a non-empty string, found ${nameOf(key)}`,
      )
    return createHash('sha256').update(key).digest('hex')
  }

  /** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for an invalid entry */
  constructor(options: ApiKeyAuthenticatorOptions) {
    const read = readOptions<ApiKeyAuthenticatorOptions>('ApiKeyAuthenticator', options, {
      keys: 'required',
      reloadSeconds: 'optional',
      maxStaleSeconds: 'guard',
      header: 'optional',
      lockOut: 'optional',
      clock: 'optional',
      logger: 'optional',
    })
    const {
      keys,
      reloadSeconds = 30,
      maxStaleSeconds = 3_600,
      header,
      lockOut = {},
      clock = systemClock,
    } = read
    checkMeasures({ reloadSeconds }, 1)
    checkMeasures({ maxStaleSeconds }, 0)
    this.#header = (header ?? 'x-api-key').toLowerCase()
    this.#clock = clock
    this.#lockOut = lockOut === false ? undefined : new LockOut('ApiKeyAuthenticator', lockOut, clock)
    if (typeof keys !== 'string' && typeof keys !== 'function') {
      this.#fixed = compileKeys(keys)
      return
    }
    const logger = safeLogger('ApiKeyAuthenticator', read.logger)
    this.#reloaded = new RefreshedValue<ApiKeyList>({
      what: typeof keys === 'string' ? `the API keys of ${keys}` : 'the API keys',
      load: async () => ({
        value: compileKeys(typeof keys === 'string' ? await readKeyFile(keys) : await keys()),
        freshSeconds: reloadSeconds,
      }),
      clock,
      cooldownSeconds: Math.min(reloadSeconds, 5),
      maxStaleSeconds,
      onFailure: ({ code, message }) => logger.warn({ code, reason: message }, 'API keys cannot be reloaded'),
    })
  }

  /**
   * The caller that holds the key; undefined if no key was sent.
   *
   * @throws ERR_CREDENTIAL_INVALID; ERR_AUTHENTICATOR_UNAVAILABLE no usable list is available; ERR_ABORTED
   */
  async authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    const key = singleHeader(request, this.#header, maxKeyLength)
    if (key === undefined) return undefined
    this.#lockOut?.check(request)
    const list = this.#fixed ?? (await this.#list(request.signal))
    const entry = list.find(keyIdOf(key), digestOf(key))
    if (entry === undefined || entry.expiresAt <= this.#clock.now()) {
      this.#lockOut?.failed(request)
      throw authenticationError(
        entry === undefined ? 'the API key is unknown' : `the API key ${entry.id} has expired`,
      )
    }
    return entry.caller
  }

  async #list(signal: AbortSignal): Promise<ApiKeyList> {
    try {
      return (await this.#reloaded?.get(signal)) as ApiKeyList
    } catch (cause) {
      if (signal.aborted) throw cause
      throw new PkiError('ERR_AUTHENTICATOR_UNAVAILABLE', 'the API keys cannot be loaded', { cause })
    }
  }
}

const maxKeyLength = 512
