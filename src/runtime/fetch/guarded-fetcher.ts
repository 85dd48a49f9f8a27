// The only way to a remote document: https, public addresses, and limits for redirects, bytes and time.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { parseIpNetwork } from '../../internal/ip-address.ts'
import type { IpNetwork } from '../../internal/ip-address.ts'
import { checkFlags, checkFunctions, checkTexts } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { createHttpSender } from './http-sender.ts'
import type { HttpSender, ResolveHost } from './http-sender.ts'

/**
 * One request of a `GuardedFetcher`.
 *
 * @inline
 */
export interface GuardedRequest {
  /** Default `GET`. A `POST` is never redirected. */
  readonly method?: 'GET' | 'POST' | undefined
  /** Sent in addition to the headers of the fetcher. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The body of a `POST`. */
  readonly body?: Uint8Array | undefined
  /** Allowed media types of a response with status 200 to 299, without parameters. Default: any. */
  readonly contentTypes?: readonly string[]
  /** Has an effect only if it is smaller than the limit of the fetcher. */
  readonly maxBytes?: number
  /** Ends the request. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The response of a server.
 *
 * @inline
 */
export interface GuardedResponse {
  /** Any status except a redirect. */
  readonly status: number
  /** By lower-case name; several values of one header are joined by commas. */
  readonly headers: Readonly<Record<string, string>>
  /** The whole body. */
  readonly body: Uint8Array
  /** The URL of the response, after redirects. */
  readonly url: string
}

/**
 * Fetches remote documents within its configured limits. Tests, and hosts with a proxy, supply another
 * implementation.
 */
export interface GuardedFetcher extends AsyncDisposable {
  /**
   * Sends one request and returns the whole response.
   *
   * @throws ERR_FETCH_REFUSED the URL, an address or a redirect is not allowed; ERR_FETCH_FAILED no
   * connection, an incomplete response, a wrong content type; ERR_LIMIT_EXCEEDED too large; ERR_TIMEOUT;
   * ERR_ABORTED; ERR_CLOSED
   */
  fetch(url: string, request?: GuardedRequest): Promise<GuardedResponse>
}

/** Options of `createGuardedFetcher`. @inline */
export interface GuardedFetcherOptions {
  /**
   * Networks such as `10.0.0.0/8` that may be connected to although they are not public: those of your own
   * clusters. Default: no network.
   */
  readonly allowedNetworks?: readonly string[] | undefined
  /**
   * `none` refuses every redirect, `same-origin` follows up to 3 to the same scheme, host and port. Default
   * `none`.
   */
  readonly redirects?: 'none' | 'same-origin' | undefined
  /** Largest response in bytes. Default 262,144. */
  readonly maxBytes?: number
  /**
   * Time for the whole request in milliseconds: name resolution, connection, redirects and the whole body.
   * Default 5,000.
   */
  readonly timeoutMs?: number
  /** Roots in PEM that are trusted in place of the platform's. */
  readonly caCertificates?: string
  /**
   * Returns a bearer token for the request. Called for each request, so that the token may rotate. The token
   * is sent only to the first origin.
   */
  readonly bearerToken?: () => string | undefined | Promise<string | undefined>
  /** Finds the addresses of a host. Default: the platform's resolver. */
  readonly resolve?: ResolveHost | undefined
  /** Also accepts `http:` URLs, where anyone on the network can change the documents. For tests. */
  readonly dangerouslyAllowHttp?: boolean | undefined
  /** Measures the deadline. Default `systemClock`. */
  readonly clock?: Clock | undefined
}

/**
 * Creates a fetcher for documents whose address comes from configuration, a discovery document or a
 * certificate.
 *
 * Connections go to public addresses only. Private, loopback, link-local, metadata, unique-local, multicast
 * and reserved addresses are refused, also inside IPv4-mapped and NAT64 addresses, for every host name.
 *
 * @example
 * ```ts
 * await using fetcher = createGuardedFetcher({ allowedNetworks: ['10.0.0.0/8'] })
 * ```
 * @throws ERR_INVALID_ARGUMENT
 */
export function createGuardedFetcher(options: GuardedFetcherOptions = {}): GuardedFetcher {
  return new PlatformFetcher(
    readOptions<GuardedFetcherOptions>('createGuardedFetcher', options, {
      allowedNetworks: 'optional',
      redirects: 'optional',
      maxBytes: 'guard',
      timeoutMs: 'guard',
      caCertificates: 'guard',
      bearerToken: 'guard',
      resolve: 'optional',
      dangerouslyAllowHttp: 'optional',
      clock: 'optional',
    }),
  )
}

class PlatformFetcher implements GuardedFetcher {
  readonly #options: GuardedFetcherOptions
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #timeoutMs: number
  readonly #sender: HttpSender
  readonly #closed = new AbortController()

  constructor(options: GuardedFetcherOptions) {
    const { allowedNetworks = [], redirects = 'none', maxBytes, timeoutMs } = options
    if (!(['none', 'same-origin'] as unknown[]).includes(redirects))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createGuardedFetcher: redirects is ${JSON.stringify(redirects)}; expected none or same-origin`,
      )
    const { caCertificates, bearerToken, resolve, dangerouslyAllowHttp } = options
    // Node treats an empty text as no certificates, and trusts the roots of the platform.
    checkTexts('createGuardedFetcher', { caCertificates })
    checkFunctions('createGuardedFetcher', { bearerToken, resolve })
    checkFlags('createGuardedFetcher', { dangerouslyAllowHttp })
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#maxBytes = requireCount('maxBytes', maxBytes ?? defaultMaxBytes, 1)
    this.#timeoutMs = requireCount('timeoutMs', timeoutMs ?? defaultTimeoutMs, 1)
    const networks: readonly IpNetwork[] = [...allowedNetworks].map((network) => parseIpNetwork(network))
    this.#sender = createHttpSender(networks, options.caCertificates, options.resolve)
  }

  async fetch(url: string, given: GuardedRequest = {}): Promise<GuardedResponse> {
    const request = readOptions('fetch', given, requestKinds)
    if (this.#closed.signal.aborted) throw closedError()
    const over = new AbortController()
    const end = (reason: PkiError): void => over.abort(reason)
    const aborted = (): void => end(new PkiError('ERR_ABORTED', 'the fetch was aborted by its signal'))
    const closed = (): void => end(closedError())
    if (request.signal?.aborted === true) aborted()
    request.signal?.addEventListener('abort', aborted, { once: true })
    this.#closed.signal.addEventListener('abort', closed, { once: true })
    const late = (): void =>
      end(new PkiError('ERR_TIMEOUT', `${originOf(url)} did not answer completely in ${this.#timeoutMs} ms`))
    const stop = this.#clock.schedule(late, this.#timeoutMs, { keepAlive: true })
    try {
      return await this.#follow(url, request, over.signal)
    } catch (error) {
      // Report the abort reason: the platform reports every abort as "aborted".
      throw over.signal.aborted ? over.signal.reason : error
    } finally {
      stop()
      request.signal?.removeEventListener('abort', aborted)
      this.#closed.signal.removeEventListener('abort', closed)
    }
  }

  async #follow(text: string, request: GuardedRequest, signal: AbortSignal): Promise<GuardedResponse> {
    const { redirects = 'none', bearerToken, dangerouslyAllowHttp = false } = this.#options
    const { method = 'GET', contentTypes } = request
    const maxBytes = Math.min(this.#maxBytes, request.maxBytes ?? this.#maxBytes)
    const headers = {
      'accept-encoding': 'identity',
      ...request.headers,
      ...(await authorization(bearerToken, signal)),
    }
    let url = readUrl(text, dangerouslyAllowHttp)
    for (let hop = 0; ; hop++) {
      signal.throwIfAborted()
      const { body } = request
      // The deadline applies regardless of the events of the platform.
      const answer = this.#sender.send({ url, method, headers, body, maxBytes, signal })
      const response = await abortable(answer, signal)
      const { location } = response.headers
      if (!isRedirect(response.status)) {
        requireContentType(response, contentTypes, url)
        return { ...response, url: url.href }
      }
      if (redirects === 'none' || method !== 'GET' || hop >= maxRedirects)
        throw refused(`${url.origin} answered with a redirect, which is not followed`)
      const next = readUrl(location ?? '', dangerouslyAllowHttp, url)
      if (next.origin !== url.origin)
        throw refused(`${url.origin} answered with a redirect to another origin, ${next.origin}`)
      url = next
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort()
    this.#sender.close()
  }
}

async function authorization(
  bearerToken: GuardedFetcherOptions['bearerToken'],
  signal: AbortSignal,
): Promise<Record<string, string>> {
  let token: unknown
  try {
    token = await abortable(Promise.resolve(bearerToken?.()), signal)
  } catch (cause) {
    throw new PkiError('ERR_FETCH_FAILED', 'bearerToken failed to return a token', { cause })
  }
  if (token === undefined) return {}
  // RFC 6750 §2.1; a token read from a file may end with a line break.
  if (typeof token !== 'string' || !/^[A-Za-z0-9._~+/-]+=*$/.test(token))
    throw new PkiError('ERR_FETCH_FAILED', 'bearerToken returned a value that is not a bearer token')
  return { authorization: `Bearer ${token}` }
}

function readUrl(text: string, http: boolean, base?: URL): URL {
  const url = typeof text === 'string' && text.length <= maxUrlLength ? parseUrl(text, base) : undefined
  if (url === undefined) throw refused('the URL to fetch is not an absolute URL')
  if (url.protocol !== 'https:' && !(http && url.protocol === 'http:'))
    throw refused(`the URL begins with ${url.protocol.slice(0, 32)}, expected https:`)
  if (url.username !== '' || url.password !== '') throw refused('the URL has a user name or a password')
  if (url.hash !== '') throw refused('the URL has a fragment')
  return url
}

function parseUrl(text: string, base: URL | undefined): URL | undefined {
  try {
    return new URL(text, base)
  } catch {
    return undefined
  }
}

function requireContentType(
  { status, headers }: Omit<GuardedResponse, 'url'>,
  wanted: readonly string[] | undefined,
  { origin }: URL,
): void {
  if (wanted === undefined || status < 200 || status > 299) return
  const [type = ''] = (headers['content-type'] ?? '').split(';', 1)
  const found = type.trim().toLowerCase()
  if (wanted.includes(found)) return
  throw new PkiError(
    'ERR_FETCH_FAILED',
    `${origin} answered with the content type ${JSON.stringify(found.slice(0, 64))}; ` +
      `expected ${wanted.join(' or ')}`,
  )
}

/** The URL without path and query, which may contain secrets. */
function originOf(url: string): string {
  return parseUrl(url, undefined)?.origin ?? 'the server'
}

function isRedirect(status: number): boolean {
  return status >= 300 && status < 400 && status !== 304
}

function refused(message: string): PkiError<'ERR_FETCH_REFUSED'> {
  return new PkiError('ERR_FETCH_REFUSED', message)
}

function closedError(): PkiError<'ERR_CLOSED'> {
  return new PkiError('ERR_CLOSED', 'the fetcher was closed')
}

const defaultMaxBytes = 256 * 1024
const defaultTimeoutMs = 5_000
const maxRedirects = 3
const maxUrlLength = 4096

const requestKinds: OptionKinds<GuardedRequest> = {
  method: 'optional',
  headers: 'optional',
  body: 'optional',
  contentTypes: 'guard',
  maxBytes: 'guard',
  signal: 'optional',
}
