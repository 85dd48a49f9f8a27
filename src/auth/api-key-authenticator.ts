// API keys: the smallest authenticator there is, and the worked example of a custom one.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { PkiError } from '../errors/index.ts'
import { SpiffeId } from '../spiffe/index.ts'
import { authenticationError } from './composite-authenticator.ts'
import type { AuthenticationRequest, Authenticator, Caller } from './authenticator.ts'

/** One key, as the server keeps it: its digest, never the key. */
export interface ApiKeyEntry {
  /** A name for logs and audit, such as `billing-2026`. */
  readonly id: string
  /** `hashApiKey` of the key. */
  readonly digest: string
  /** Who the holder of the key is. */
  readonly identities: readonly (SpiffeId | string)[]
}

/** Options of `ApiKeyAuthenticator`. */
export interface ApiKeyAuthenticatorOptions {
  /** Every key that is taken, each once. */
  readonly keys: readonly ApiKeyEntry[]
  /** Name of the header. Default `x-api-key`. */
  readonly header?: string | undefined
}

/**
 * Authenticates by a key in a header. Keys are compared by their SHA-256 in constant time.
 *
 * @example
 * ```ts
 * const key = generateApiKey() // given to the client once, over a safe channel
 * const authenticator = new ApiKeyAuthenticator({
 *   keys: [{ id: 'ci', digest: hashApiKey(key), identities: ['spiffe://example.org/ci'] }],
 * })
 * ```
 */
export class ApiKeyAuthenticator implements Authenticator {
  /** `api-key`. */
  readonly name = 'api-key'
  readonly #header: string
  readonly #callers: readonly { readonly digest: Buffer; readonly caller: Caller }[]

  /** @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID for an entry that could not work */
  constructor(options: ApiKeyAuthenticatorOptions) {
    if (!Array.isArray((options as Partial<ApiKeyAuthenticatorOptions> | undefined)?.keys))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'keys is an array of entries')
    this.#header = (options.header ?? 'x-api-key').toLowerCase()
    const digests = new Set<string>()
    this.#callers = options.keys.map(({ id, digest, identities }) => {
      if (!/^[0-9a-f]{64}$/.test(digest))
        throw new PkiError(
          'ERR_INVALID_ARGUMENT',
          `the digest of API key ${id} is not 64 lower-case hexadecimal digits`,
        )
      if (digest === hashOf(''))
        throw new PkiError('ERR_INVALID_ARGUMENT', `the digest of API key ${id} is that of no key at all`)
      if (digests.has(digest))
        throw new PkiError('ERR_INVALID_ARGUMENT', `API key ${id} is the key of another entry too`)
      digests.add(digest)
      if (identities.length === 0) throw new PkiError('ERR_INVALID_ARGUMENT', `API key ${id} has no identity`)
      const caller: Caller = {
        identities: identities.map((identity) => SpiffeId.from(identity)),
        credential: 'api-key',
        claims: { keyId: id },
      }
      return { digest: Buffer.from(digest, 'hex'), caller }
    })
  }

  /** The holder of the key; undefined where none was sent. @throws ERR_CREDENTIAL_INVALID */
  authenticate(request: AuthenticationRequest): Promise<Caller | undefined> {
    return Promise.resolve(request.header(this.#header)).then((values) => this.#match(values))
  }

  #match(values: readonly string[]): Caller | undefined {
    const [key] = values
    if (key === undefined) return undefined
    if (values.length > 1)
      throw authenticationError(`${values.length} values of ${this.#header}; one is wanted`)
    if (key.length > maxKeyLength)
      throw authenticationError(`an API key of ${key.length} characters; at most ${maxKeyLength} are read`)
    const digest = createHash('sha256').update(key).digest()
    // Every entry is compared, so that the time says nothing about which one came close.
    let found: Caller | undefined
    for (const entry of this.#callers) if (timingSafeEqual(entry.digest, digest)) found = entry.caller
    if (found === undefined) throw authenticationError('the API key is not known')
    return found
  }
}

/** A new key: 256 random bits, base64url. */
export function generateApiKey(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * What the server keeps of a key: its SHA-256, hexadecimal. A plain hash is enough for 256 random bits, not for passwords.
 *
 * @throws ERR_INVALID_ARGUMENT for an empty key, as a variable that is not set gives one: then anybody had it
 */
export function hashApiKey(key: string): string {
  if (typeof key !== 'string' || key === '')
    throw new PkiError('ERR_INVALID_ARGUMENT', 'an API key is a text, and not an empty one')
  return hashOf(key)
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

const maxKeyLength = 512
