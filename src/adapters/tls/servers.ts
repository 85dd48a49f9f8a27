// Servers of node:tls, https and http2 with the gate in place.

import { createSecureServer } from 'node:http2'
import type { Http2SecureServer, SecureServerOptions } from 'node:http2'
import type { RequestListener } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { Server as HttpsServer, ServerOptions } from 'node:https'
import { createServer } from 'node:tls'
import type { Server, TLSSocket, TlsOptions } from 'node:tls'
import { guardServer, tlsServerOptions } from './guard-server.ts'
import type { ServerGuardOptions } from './guard-server.ts'
import type { TlsIdentity } from './tls-identity.ts'

/**
 * Node's own options, without those that the identity and the gate set. `handshakeTimeout` is 10,000 ms by
 * default.
 */
export type NodeOptions<Options> = Omit<Options, DecidedHere>

/** The options of Node that the identity and the gate set. */
type DecidedHere =
  | 'cert'
  | 'key'
  | 'pfx'
  | 'passphrase'
  | 'ca'
  | 'crl'
  | 'requestCert'
  | 'rejectUnauthorized'
  | 'secureContext'
  | 'secureOptions'
  | 'SNICallback'
  | 'minVersion'

/**
 * A TLS server; `onConnection` receives only sockets of accepted peers.
 *
 * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 */
export function createTlsServer(
  identity: TlsIdentity,
  options: ServerGuardOptions & { readonly node?: NodeOptions<TlsOptions> },
  onConnection?: (socket: TLSSocket) => void,
): Server {
  const { node, ...guard } = Object(options) as typeof options
  return guardServer(createServer(optionsOf(identity, node), onConnection), identity, guard)
}

/**
 * An HTTPS server; `listener` receives only requests of accepted peers. `peerOf(request.socket)` returns the
 * peer.
 *
 * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const authorize = 'spiffe://example.org/client'
 * const server = createHttpsServer(identity, { authorize }, (request, response) => {
 *   response.end(`hello, ${peerOf(request.socket)?.id}`)
 * })
 * ```
 */
export function createHttpsServer(
  identity: TlsIdentity,
  options: ServerGuardOptions & { readonly node?: NodeOptions<ServerOptions> },
  listener?: RequestListener,
): HttpsServer {
  const { node, ...guard } = Object(options) as typeof options
  return guardServer(createHttps(optionsOf(identity, node), listener), identity, guard)
}

/**
 * An HTTP/2 server with streams of accepted peers only. `peerOf(stream.session.socket)` returns the peer.
 *
 * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 */
export function createHttp2Server(
  identity: TlsIdentity,
  options: ServerGuardOptions & { readonly node?: NodeOptions<SecureServerOptions> },
  listener?: Parameters<typeof createSecureServer>[1],
): Http2SecureServer {
  const { node, ...guard } = Object(options) as typeof options
  return guardServer(createSecureServer(optionsOf(identity, node), listener), identity, guard)
}

/** Of the options that this package sets, the application may choose only `handshakeTimeout`. */
function optionsOf<Options extends TlsOptions>(
  identity: TlsIdentity,
  node: Options | undefined,
): Options & TlsOptions {
  const decided = tlsServerOptions(identity)
  const handshakeTimeout = node?.handshakeTimeout ?? decided.handshakeTimeout
  return { ...node, ...decided, handshakeTimeout } as Options & TlsOptions
}
