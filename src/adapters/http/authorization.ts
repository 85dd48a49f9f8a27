// Middleware for Express, Connect, node:http and Fastify: a request continues when the policies allow it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { AuthenticationRequest, Caller } from '../../auth/index.ts'
import type { TlsPeer } from '../../auth/internal.ts'
import { PkiError } from '../../errors/index.ts'
import { checkFunctions } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { RequestGuard } from '../../policy/internal.ts'
import type { Judgement, RequestGuardOptions } from '../../policy/internal.ts'
import type { SpiffeId } from '../../spiffe/index.ts'
import { Certificate } from '../../x509/index.ts'

/** Options of `httpAuthorization`. @inline */
export interface HttpAuthorizationOptions extends RequestGuardOptions {
  /**
   * The SPIFFE ID that the peer of a socket has proven: `(socket) => peerOf(socket)?.id` with
   * `spiffe-pki/tls`.
   */
  readonly peerIdOf?: (socket: object) => SpiffeId | undefined
  /**
   * Returns the address of the first client if trusted proxies report it. Default: the address of the peer.
   */
  readonly remoteIpOf?: ((request: IncomingMessage) => string | undefined) | undefined
}

/** The property that the middleware adds to an allowed request. @inline */
interface AuthorizedRequest {
  /** The caller, and the rule that allowed the request. */
  authorization?: {
    readonly caller: Caller | undefined
    readonly principal: SpiffeId | undefined
    readonly rule: string
  }
}

/** The part of Fastify's reply that the hook uses. @inline */
interface FastifyReplyLike {
  code(status: number): FastifyReplyLike
  headers(values: Readonly<Record<string, string>>): FastifyReplyLike
  send(body: string): unknown
}

/** The same authorization as middleware for two kinds of servers. @inline */
export interface HttpAuthorization {
  /** For Express, Connect and `node:http`: `app.use(guard.express)`. */
  express(request: IncomingMessage & AuthorizedRequest, response: ServerResponse, next: () => void): void
  /** For Fastify: `app.addHook('onRequest', guard.fastify)`. It sets `request.raw.authorization`. */
  fastify(
    request: { readonly raw: IncomingMessage & AuthorizedRequest },
    reply: FastifyReplyLike,
  ): Promise<unknown>
}

/**
 * Middleware that authenticates and authorizes. The status is 401 without a valid credential, 403 if the
 * policies deny the request, and 503 if a credential cannot be verified at the moment. Only the log has the
 * reason and the rule.
 *
 * The path is compared as it was sent, before a router has changed it: choose the `pathNormalization` that
 * corresponds to the router.
 *
 * @throws ERR_INVALID_ARGUMENT, also without `authenticator` and `peerIdOf`: no caller would have an identity
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * const guard = httpAuthorization({ authorizer, authenticator, logger: console })
 * createServer((request, response) => guard.express(request, response, () => response.end('hello')))
 * ```
 */
export function httpAuthorization(options: HttpAuthorizationOptions): HttpAuthorization {
  const { peerIdOf, remoteIpOf, ...read } = readOptions('httpAuthorization', options, {
    authorizer: 'required',
    authenticator: 'guard',
    peerIdOf: 'guard',
    tokensAsPrincipals: 'optional',
    remoteIpOf: 'optional',
    destination: 'optional',
    logger: 'optional',
    metrics: 'optional',
  })
  if (peerIdOf === undefined && read.authenticator === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'httpAuthorization needs authenticator, peerIdOf or both')
  checkFunctions('httpAuthorization', { peerIdOf, remoteIpOf })
  const guard = new RequestGuard('httpAuthorization', read)
  const judge = async (request: IncomingMessage & AuthorizedRequest): Promise<Refusal | undefined> => {
    const gone = new AbortController()
    const abort = (): void => {
      gone.abort()
    }
    request.socket.once('close', abort)
    try {
      const asked = authenticationRequestOf(request, gone.signal)
      const facts = factsOf(request, remoteIpOf?.(request))
      const judgement = await guard.judge(asked, peerIdOf?.(request.socket), facts)
      if (judgement.outcome !== 'allowed') return refusals[judgement.outcome]
      const { caller, principal, decision } = judgement
      request.authorization = Object.freeze({ caller, principal, rule: decision.rule })
      return undefined
    } catch {
      // Only the caller's own functions can fail here; in any case the request is not passed on.
      return refusals.unavailable
    } finally {
      request.socket.removeListener('close', abort)
    }
  }
  return Object.freeze<HttpAuthorization>({
    express: (request, response, next) => {
      void judge(request).then((refusal) => {
        if (refusal === undefined) next()
        // Something else may have answered meanwhile, such as a time limit.
        else if (!response.headersSent) response.writeHead(refusal.status, refusal.headers).end(refusal.body)
      })
    },
    fastify: async ({ raw }, reply) => {
      const refusal = await judge(raw)
      if (refusal === undefined) return undefined
      return reply.code(refusal.status).headers(refusal.headers).send(refusal.body)
    },
  })
}

interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const plain = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }
const refusals: Readonly<Record<Exclude<Judgement['outcome'], 'allowed'>, Refusal>> = {
  // RFC 9110 §15.5.2 asks for a challenge.
  unauthenticated: {
    status: 401,
    headers: { ...plain, 'www-authenticate': 'Bearer' },
    body: 'unauthenticated\n',
  },
  denied: { status: 403, headers: plain, body: 'forbidden\n' },
  unavailable: { status: 503, headers: { ...plain, 'retry-after': '1' }, body: 'try again\n' },
}

function authenticationRequestOf(request: IncomingMessage, signal: AbortSignal): AuthenticationRequest {
  const { socket } = request
  const { remoteAddress, remotePort = 0 } = socket
  return {
    transport: 'http',
    // Node drops repetitions of some headers; a repeated one must be visible, so that it is refused.
    header: (name) => request.headersDistinct[name] ?? [],
    peer: remoteAddress === undefined ? undefined : { address: remoteAddress, port: remotePort },
    get tls() {
      return tlsPeerOf(socket as MaybeTlsSocket)
    },
    signal,
  }
}

/** A socket; if `encrypted` is true, it has the members of a TLS socket. */
type MaybeTlsSocket = Socket &
  Pick<TLSSocket, 'authorized' | 'getPeerX509Certificate'> &
  Partial<Pick<TLSSocket, 'encrypted'>>

/** The chain as the client sent it. */
function tlsPeerOf(socket: MaybeTlsSocket): TlsPeer | undefined {
  if (socket.encrypted !== true) return undefined
  const presentedChain: Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && presentedChain.length < maxChain) {
    presentedChain.push(Certificate.parse(new Uint8Array(next.raw)))
    next = next.issuerCertificate
  }
  return { presentedChain, verifiedChain: socket.authorized ? presentedChain : [] }
}

type Facts = Parameters<RequestGuard['judge']>[2]

function factsOf(request: IncomingMessage, remoteIp: string | undefined): Facts {
  const { socket, method = '', headers } = request
  // Express removes the part of the path where a router is mounted from `url`.
  const { originalUrl, url = '' } = request as IncomingMessage & { readonly originalUrl?: unknown }
  const target = typeof originalUrl === 'string' ? originalUrl : url
  // RFC 9112 §3.2.2: the authority of a target in absolute form takes precedence over Host.
  const [, authority, rest] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)(.*)$/is.exec(target) ?? []
  const host = authority ?? headers[':authority'] ?? request.headersDistinct['host']?.join(',')
  const sni = (socket as Partial<TLSSocket & { readonly servername: unknown }>).servername
  return {
    method,
    path: rest === undefined ? target : pathOfRest(rest),
    host: typeof host === 'string' ? host : undefined,
    headers: request.headersDistinct,
    sourceIp: socket.remoteAddress,
    remoteIp,
    destinationIp: socket.localAddress,
    destinationPort: socket.localPort,
    sni: typeof sni === 'string' ? sni : undefined,
  }
}

/**
 * The path after the authority. The path of `http://a?b/c` is empty, but routers use `/c`; then the result is
 * undefined.
 */
function pathOfRest(rest: string): string | undefined {
  if (rest === '') return '/'
  return rest.startsWith('/') ? rest : undefined
}

const maxChain = 10
