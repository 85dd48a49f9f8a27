// The handshake of a server with a client that may be anybody, over a socket that it has accepted.

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import { BoundedHandshake } from './bounded-handshake.ts'
import type { HandshakeBound } from './bounded-handshake.ts'

/** The outcome of one handshake, in place of the events of the TLS server. */
export interface HandshakeOutcome {
  /** As `secureConnection`. The socket has the addresses of the accepted one. */
  secured(above: TLSSocket): void
  /** As `tlsClientError`. It must destroy the socket. */
  failed(error: Error, above: TLSSocket): void
}

/** Begins the handshake of a TLS server that does not listen. Without `bound`, TLS reads the socket alone. */
export function beginHandshake(
  server: TlsServer,
  socket: Socket,
  bound: Omit<HandshakeBound, 'peer'> | undefined,
  outcome: HandshakeOutcome,
): void {
  const bounded = bound && new BoundedHandshake(socket, { ...bound, peer: 'client' })
  // OpenSSL logs keys only for a listener.
  if (bounded && server.listenerCount('keylog') === 0) server.on('keylog', () => undefined)
  const emit = (event: string, ...values: readonly unknown[]): boolean => {
    const [first, second] = values
    if (event === 'keylog') bounded?.keylog(first as Buffer, second as TLSSocket)
    else if (event === 'secureConnection') {
      bounded?.secured()
      outcome.secured(withEnds(first as TLSSocket, socket))
    } else if (event === 'tlsClientError') outcome.failed(first as Error, second as TLSSocket)
    return true
  }
  // Node emits the outcome on the server that it was given: here a view of it, for this connection only.
  const view = Object.create(server, { emit: { value: emit } }) as TlsServer
  EventEmitter.prototype.emit.call(view, 'connection', bounded ?? socket)
}

/** Over a stream, a TLS socket does not know the addresses of its connection, which grpc-js reports. */
function withEnds(above: TLSSocket, below: Socket): TLSSocket {
  if (above.remoteAddress !== undefined) return above
  return Object.defineProperties(Object.assign(above, { [raw]: below }), ends)
}

/** `SSL_MAX_CERT_LIST_DEFAULT`: OpenSSL itself refuses a longer chain. */
export const opensslMaxChainBytes: number = 100 * 1024

const raw: unique symbol = Symbol('socket below TLS')

/** The addresses of the socket below TLS, as properties of the one above. */
const ends: PropertyDescriptorMap = Object.fromEntries(
  (['remoteAddress', 'remotePort', 'remoteFamily', 'localAddress', 'localPort', 'localFamily'] as const).map(
    (name) => [
      name,
      {
        get(this: { readonly [raw]: Socket }) {
          return this[raw][name]
        },
      },
    ],
  ),
)
