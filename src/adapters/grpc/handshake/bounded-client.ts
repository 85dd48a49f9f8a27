// The handshake of a client with a server that is not authenticated yet, limited like the handshake of a
// server.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { PkiError } from '../../../errors/index.ts'
import { BoundedHandshake } from './bounded-handshake.ts'

/**
 * Begins a handshake over a connected socket. `begin` creates the TLS socket over the stream that it is
 * given; its secure context must have SSL_OP_NO_RENEGOTIATION, because the certificates of a second handshake
 * of TLS 1.2 cannot be read. A handshake that is refused destroys the TLS socket with ERR_TLS_PEER.
 */
export function boundedClient(socket: Socket, begin: (stream: Socket) => TLSSocket): TLSSocket {
  const refuse = (reason: string): void => {
    above.destroy(new PkiError('ERR_TLS_PEER', `the handshake of the server ${reason}`))
    socket.destroy()
  }
  const stream = new BoundedHandshake(socket, {
    peer: 'server',
    maxOctets: maxHandshakeOctets,
    exceeded: (octets) => refuse(`has ${octets} octets or more; expected at most ${maxHandshakeOctets}`),
    refused: ({ reason }) => refuse(`is refused: ${reason}`),
  })
  // It has the part of a socket that TLS uses.
  const above = begin(stream as unknown as Socket)
  above.on('keylog', (line) => stream.keylog(line, above))
  above.once('secureConnect', () => stream.secured())
  // A TLS socket over a stream has no access to the handle that keeps the process running.
  return Object.assign(above, {
    ref: () => (socket.ref(), above),
    unref: () => (socket.unref(), above),
  })
}

/** A server may also send the names of many client roots. */
const maxHandshakeOctets = 128 * 1024
