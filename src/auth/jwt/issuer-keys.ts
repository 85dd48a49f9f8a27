// Sources of an issuer's keys: a fixed set, a JWKS URL, or OpenID Connect Discovery 1.0 section 4.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { isJsonObject, parseJson } from '../../internal/json.ts'
import type { Clock, GuardedFetcher, Logger } from '../../runtime/index.ts'
import { createRemoteDocument, withoutQuery } from '../../runtime/internal.ts'
import type { DocumentLifetimes, RefreshedValue } from '../../runtime/internal.ts'
import { parseJwkSet } from './jwk-set.ts'
import type { JwkSet } from './jwk-set.ts'
import type { TokenKey } from './token-key.ts'
import type { UnverifiedToken } from './token.ts'

/** The location of the keys of one issuer: `jwks` or `jwksUri`; discovery if both are absent. */
export interface KeyLocation {
  readonly issuer: string
  readonly jwks?: string | undefined
  readonly jwksUri?: string | undefined
}

/** Fetches the documents. */
export interface KeyFetching {
  readonly fetcher: GuardedFetcher
  readonly lifetimes: DocumentLifetimes
  readonly clock: Clock
  readonly logger: Logger
}

/** The keys of one issuer, reloaded as needed. */
export class IssuerKeys implements AsyncDisposable {
  readonly #location: KeyLocation
  readonly #fetching: KeyFetching
  readonly #fixed: JwkSet | undefined
  readonly #discovery: RefreshedValue<string> | undefined
  #remote: { readonly url: string; readonly document: RefreshedValue<JwkSet> } | undefined

  /** @throws ERR_INVALID_ARGUMENT for a fixed set that cannot be read */
  constructor(location: KeyLocation, fetching: KeyFetching) {
    this.#location = location
    this.#fetching = fetching
    if (location.jwks !== undefined) this.#fixed = fixedSet(location)
    else if (location.jwksUri === undefined) this.#discovery = this.#discover()
  }

  /**
   * The key of a token. An unknown `kid` reloads the keys, at most once per cool-down.
   *
   * @throws ERR_JWT_KEY_UNKNOWN, ERR_JWT_ALGORITHM; ERR_AUTHENTICATOR_UNAVAILABLE the keys cannot be fetched
   */
  async keyFor({ keyId, algorithm }: UnverifiedToken, signal: AbortSignal): Promise<TokenKey> {
    let key = (this.#fixed ?? (await this.#set(signal, false))).get(keyId)
    if (key === undefined && this.#fixed === undefined) key = (await this.#set(signal, true)).get(keyId)
    if (key === undefined || key === null) {
      const why = key === null ? 'has two keys' : 'has no key'
      throw new PkiError('ERR_JWT_KEY_UNKNOWN', `${this.#location.issuer} ${why} with the kid of the token`)
    }
    // RFC 8725 §3.1: the key, not the token, determines the allowed algorithms.
    if (!key.authority.algorithms.includes(algorithm))
      throw new PkiError(
        'ERR_JWT_ALGORITHM',
        `the key of the token does not allow its algorithm, ${algorithm}`,
      )
    return key
  }

  async #set(signal: AbortSignal, again: boolean): Promise<JwkSet> {
    try {
      const url = this.#location.jwksUri ?? (await this.#discovery?.get(signal)) ?? ''
      const document = this.#documentAt(url)
      return await (again ? document.reload(signal) : document.get(signal))
    } catch (cause) {
      if (isPkiError(cause, 'ERR_ABORTED') || isPkiError(cause, 'ERR_CLOSED')) throw cause
      throw new PkiError(
        'ERR_AUTHENTICATOR_UNAVAILABLE',
        `the keys of ${this.#location.issuer} cannot be fetched: ${isPkiError(cause) ? cause.message : ''}`,
        { cause },
      )
    }
  }

  #documentAt(url: string): RefreshedValue<JwkSet> {
    if (this.#remote?.url === url) return this.#remote.document
    void this.#remote?.document[Symbol.asyncDispose]()
    const document = this.#document(url, jwkSetTypes, parseJwkSet)
    this.#remote = { url, document }
    return document
  }

  #discover(): RefreshedValue<string> {
    const { issuer } = this.#location
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    return this.#document(url, ['application/json'], (body) => readConfiguration(body, issuer))
  }

  #document<T>(
    url: string,
    contentTypes: readonly string[],
    parse: (body: Uint8Array) => T,
  ): RefreshedValue<T> {
    const { fetcher, lifetimes, clock, logger } = this.#fetching
    const { issuer } = this.#location
    const shown = withoutQuery(url)
    return createRemoteDocument({
      ...lifetimes,
      url,
      fetcher,
      clock,
      contentTypes,
      parse,
      forgetOn: ({ code }) => code === 'ERR_JWK_INVALID',
      onFailure: ({ code, message }) =>
        logger.warn(
          { issuer, url: shown, code, reason: message },
          'the keys of a token issuer cannot be fetched',
        ),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#discovery?.[Symbol.asyncDispose]()
    await this.#remote?.document[Symbol.asyncDispose]()
  }
}

function fixedSet({ issuer, jwks = '' }: KeyLocation): JwkSet {
  try {
    return parseJwkSet(jwks)
  } catch (cause) {
    throw new PkiError('ERR_INVALID_ARGUMENT', `jwks of ${issuer} is not a JWK Set of public keys`, { cause })
  }
}

/** Discovery §4.3: the issuer in the document must equal the requested issuer. */
function readConfiguration(body: Uint8Array, wanted: string): string {
  const value = parseJson(body, { maxBytes: 64 * 1024, maxDepth: 8, maxValues: 5_000 })
  const { issuer, jwks_uri: uri } = isJsonObject(value) ? value : {}
  if (issuer !== wanted) {
    const found = typeof issuer === 'string' ? JSON.stringify(issuer.slice(0, 256)) : 'absent'
    throw new PkiError(
      'ERR_FETCH_FAILED',
      `the issuer of the discovery document is ${found}, expected ${wanted}`,
    )
  }
  if (typeof uri !== 'string' || uri === '')
    throw new PkiError('ERR_FETCH_FAILED', `the discovery document of ${wanted} has no jwks_uri`)
  return uri
}

const jwkSetTypes = ['application/json', 'application/jwk-set+json']
