// One listening port: accepts sockets, waits for their first octets, queues TLS handshakes, and passes the
// connection on.

import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Server as TlsServer, SecureContextOptions, TLSSocket } from 'node:tls'
import { PkiError, isPkiError } from '../../../errors/index.ts'
import { peerCertificates } from '../../../x509/index.ts'
import { beginHandshake, maxCertificates, opensslMaxChainBytes } from '../handshake/index.ts'
import type { HandshakeFault } from '../handshake/index.ts'
import type { Logger } from '../../../runtime/index.ts'
import type { Admission } from './admission.ts'
import type { Connection } from './connection.ts'

/** The address and settings of a port. */
export interface PortOptions {
  /** An address and a port, or the path of a Unix socket. */
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string }
  /** Undefined: no TLS. */
  readonly tls: { readonly context: SecureContextOptions; readonly requestCertificate: boolean } | undefined
}

/** A listening port. */
export interface Port {
  /** `AddressInfo`, or the path of a Unix socket. */
  readonly address: AddressInfo | string
  /** New handshakes use this context. */
  setContext(context: SecureContextOptions): void
  /** Stops accepting; resolves when every connection of the port is closed. */
  close(): Promise<void>
}

/** Opens the port and starts to listen. @throws ERR_SERVER_START */
export async function openPort(admission: Admission, { at, tls }: PortOptions): Promise<Port> {
  const local = 'path' in at
  const tlsServer = tls === undefined ? undefined : tlsServerOf(tls)
  const server = createTcpServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const connection = admission.accept(socket, local)
    if (connection === undefined) return
    if (tlsServer === undefined) {
      // A socket that was accepted paused does not start to read by itself when HTTP/2 uses it.
      whenReadable(socket, () => admission.inject(socket, connection))
      return
    }
    whenReadable(socket, () => {
      admission.handshakes.enter(connection, () => startTls(admission, tlsServer, connection))
    })
    socket.once('close', () => admission.handshakes.ended(connection))
  })
  await listen(server, at, admission.logger)
  return {
    address: server.address() as AddressInfo | string,
    setContext: (context) => tlsServer?.setSecureContext(context),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/**
 * TLS starts when the first octets arrive: a client that sends nothing costs a descriptor, but no TLS state.
 */
function whenReadable(socket: Socket, start: () => void): void {
  socket.on('error', () => socket.destroy())
  const readable = (): void => {
    if (socket.readableLength === 0 && !socket.readableEnded) return
    socket.off('readable', readable)
    if (socket.readableLength === 0) socket.destroy()
    else start()
  }
  socket.on('readable', readable)
}

/** A TLS server that does not listen: connections are passed to it. */
function tlsServerOf({ context, requestCertificate }: NonNullable<PortOptions['tls']>): TlsServer {
  return createTlsServer({
    ...context,
    ALPNProtocols: ['h2'],
    requestCert: requestCertificate,
    rejectUnauthorized: false, // a token may suffice; the authenticators verify the chain, and log the reason
    handshakeTimeout: handshakeTimeoutMs,
  })
}

/** Begins the handshake of one connection. */
function startTls(admission: Admission, server: TlsServer, connection: Connection): void {
  beginHandshake(server, connection.socket, boundOf(admission, server, connection), {
    secured: (socket) => secured(admission, socket, connection),
    failed: (error, socket) => failed(admission, error, socket, connection),
  })
}

/** Undefined if TLS reads the socket itself, because no certificate is requested or there is no limit. */
function boundOf(
  { limits: { maxHandshakeBytes }, connections }: Admission,
  server: TlsServer,
  { socket }: Connection,
): Parameters<typeof beginHandshake>[2] {
  const { requestCert } = server as TlsServer & { readonly requestCert: boolean }
  if (!requestCert || maxHandshakeBytes >= opensslMaxChainBytes) return undefined
  return {
    maxOctets: maxHandshakeBytes,
    exceeded: (octets) => connections.refuseHandshake(socket, octets),
    refused: (fault) => connections.refuseChain(socket, fault),
  }
}

function failed(admission: Admission, error: Error, socket: TLSSocket, connection: Connection): void {
  // A chain without proof of its key costs as much to process.
  admission.handshakes.completed(connection)
  const peer = connection.socket.remoteAddress
  admission.logger.debug({ reason: error.message, peer }, 'TLS handshake failed')
  socket.destroy()
}

function secured(admission: Admission, socket: TLSSocket, connection: Connection): void {
  const { logger } = admission
  socket.on('error', (error: Error) => logger.debug({ reason: error.message }, 'connection failed'))
  const below = connection.socket
  if (below.remoteAddress === undefined) {
    admission.connections.refuse(socket, 'reset')
    return
  }
  admission.handshakes.completed(connection)
  const fault = readPeer(socket, connection)
  if (fault !== undefined) {
    admission.connections.refuseChain(below, fault)
    return
  }
  admission.inject(socket, connection)
}

/**
 * Reads the client's chain once per connection, because `node:tls` creates a large object each time. Returns
 * the fault of the chain, if any.
 */
function readPeer(socket: TLSSocket, connection: Connection): HandshakeFault | undefined {
  try {
    const presentedChain = Object.freeze(peerCertificates(socket, maxCertificates + 1))
    // OpenSSL keeps a chain of 100 KiB for the lifetime of the connection; no authenticator reads more
    // certificates than this limit.
    if (presentedChain.length > maxCertificates)
      return { code: 'ERR_CREDENTIAL_INVALID', reason: `more than ${maxCertificates} certificates` }
    connection.tls = Object.freeze({ presentedChain, verifiedChain: socket.authorized ? presentedChain : [] })
    return undefined
  } catch (error) {
    return { code: isPkiError(error) ? error.code : 'ERR_INTERNAL', reason: 'malformed' }
  }
}

/** Resolves when the server listens; an error of it closes the server. @throws ERR_SERVER_START */
export function listen(server: TcpServer, at: PortOptions['at'], logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      server.close()
      reject(new PkiError('ERR_SERVER_START', `cannot listen: ${cause.message}`, { cause }))
    }
    server.once('error', failed)
    try {
      server.listen({ ...at, backlog: 1024 }, () => {
        server.off('error', failed)
        // Without a listener, a connection that cannot be accepted because no descriptor is free would end
        // the process.
        server.on('error', (error: Error) =>
          logger.error({ reason: error.message }, 'a connection cannot be accepted'),
        )
        resolve()
      })
    } catch (cause) {
      failed(cause as Error) // a port out of range
    }
  })
}

/** Node's own default is 120 s. */
const handshakeTimeoutMs = 10_000
