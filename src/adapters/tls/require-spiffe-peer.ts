// Middleware: passes on a request of a verified peer, and answers any other with 403.

import type { ServerResponse } from 'node:http'
import { peerOf } from './accept-peer.ts'
import type { TlsPeerIdentity } from './connection-registry.ts'
import { matcherOf } from './peer-verifier.ts'
import type { PeerAuthorization } from './peer-verifier.ts'

/** The part of a request that the middleware reads, and the verified peer that it adds. @inline */
interface SpiffeRequest {
  /** The socket of the request. */
  readonly socket: object
  /** The sender of the request; set by the middleware. */
  spiffePeer?: TlsPeerIdentity
}

/**
 * Middleware for Express, Connect and `node:http`: allows requests of these peers and
 * sets `request.spiffePeer`. The server must be guarded (`createHttpsServer`,
 * `guardServer`); behind any other server every request is refused.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const onlyOrders = requireSpiffePeer('spiffe://example.org/ns/prod/sa/orders')
 * ```
 */
export function requireSpiffePeer(
  authorize: PeerAuthorization,
): (request: SpiffeRequest, response: ServerResponse, next: () => void) => void {
  const matches = matcherOf(authorize)
  return (request, response, next) => {
    const peer = peerOf(request.socket)
    // Only the literal `true` accepts.
    if (peer === undefined || (matches(peer.id) as unknown) !== true) {
      response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end('forbidden\n')
      return
    }
    request.spiffePeer = peer
    next()
  }
}

/**
 * Like `requireSpiffePeer`, for Fastify: `app.addHook('onRequest',
 * spiffePeerHook('spiffe://example.org/ns/prod/sa/orders'))`.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 */
export function spiffePeerHook(
  authorize: PeerAuthorization,
): (request: { readonly raw: SpiffeRequest }, reply: FastifyReplyLike) => Promise<unknown> {
  const matches = matcherOf(authorize)
  return async ({ raw }, reply) => {
    const peer = peerOf(raw.socket)
    if (peer === undefined || (matches(peer.id) as unknown) !== true)
      return reply.code(403).type('text/plain; charset=utf-8').send('forbidden\n')
    raw.spiffePeer = peer
    return undefined
  }
}

/** The part of Fastify's reply that the hook uses. @inline */
interface FastifyReplyLike {
  /** Sets the status. */
  code(status: number): FastifyReplyLike
  /** Sets the content type. */
  type(contentType: string): FastifyReplyLike
  /** Ends the reply. */
  send(body: string): unknown
}
