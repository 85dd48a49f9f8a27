// A gRPC server over mutual TLS whose certificate and trust roots can be replaced while it runs.

import { X509Certificate, constants, createPrivateKey } from 'node:crypto'
import { createServer } from 'node:tls'
import type { Server as TlsServer, TLSSocket, TlsOptions } from 'node:tls'
import type { AddressInfo, Socket } from 'node:net'
import type { ConnectionInjector, Server } from '@grpc/grpc-js'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { silentLogger, systemClock } from '../../runtime/index.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { Certificate } from '../../x509/index.ts'
import { certificateServiceHandlers } from './certificate-service.ts'
import type { CertificateServiceOptions } from './certificate-service.ts'
import { certificateServiceDefinition } from './service-definition.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { loadGrpc } from './grpc-module.ts'
import type { GrpcModule } from './grpc-module.ts'

/** What the server shows, and which roots it names to clients. All PEM. */
export interface ServerTlsMaterial {
  /** The server's certificate, then its issuers without the root. */
  readonly certificateChain: string
  /** The key of the leaf, PEM. */
  readonly privateKey: string
  /** Roots of the clients' certificates: a hint to clients and OpenSSL; the authenticators decide. */
  readonly clientRoots: string
}

/** Options of `startCertificateServer`. */
export interface CertificateServerOptions extends Omit<CertificateServiceOptions, 'tlsPeerOf'> {
  /** Replaced later by `updateTls`. */
  readonly tls: ServerTlsMaterial
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default 0: a free port. */
  readonly port?: number | undefined
  /** Live connections; more are closed at once. Default 10,000. */
  readonly maxConnections?: number | undefined
  /** Streams of one connection at a time. Default 1,024. */
  readonly maxStreams?: number | undefined
  /** Bytes of one request. Default 64 KiB. */
  readonly maxMessageBytes?: number | undefined
  /** How long a connection lasts, in seconds, 1,000,000 at most; its client makes another, with the certificate and roots of then. Default 1,800. */
  readonly maxConnectionAgeSeconds?: number | undefined
  /** Megabytes that one HTTP/2 session may hold. Default 16. */
  readonly maxSessionMemoryMb?: number | undefined
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

/** A running server. */
export interface CertificateServer extends AsyncDisposable {
  /** The host that it listens at. */
  readonly host: string
  /** The port that it listens at: the one that was free where 0 was asked for. */
  readonly port: number
  /** The grpc-js server, for further services. */
  readonly grpcServer: Server
  /** Live connections. */
  readonly connections: number
  /**
   * New handshakes see the new material; open connections go on, and their clients are authenticated on every call anyway.
   *
   * @throws ERR_INVALID_ARGUMENT for material that cannot be used: what was there stays
   */
  updateTls(material: ServerTlsMaterial): void
  /** Stops taking connections, lets calls in flight end for `graceMs` (default 5,000), then closes what is left. */
  close(graceMs?: number): Promise<void>
}

/**
 * Starts Istio's certificate service on a TLS port.
 *
 * Clients may send a certificate and are not made to: a token is enough where an authenticator takes it. There is no session
 * resumption, so every connection shows its certificate to today's roots.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT; ERR_SERVER_START also for TLS material that cannot be used
 * @example
 * ```ts
 * const tls = { certificateChain: pem, privateKey: pem, clientRoots: root.toPem() }
 * await using running = await startCertificateServer({ issuance, authenticator, tls, port: 15012 })
 * running.updateTls(tls) // when the files were rotated
 * ```
 */
export async function startCertificateServer(options: CertificateServerOptions): Promise<CertificateServer> {
  const { tls, issuance, authenticator } = (options as Partial<CertificateServerOptions> | undefined) ?? {}
  if (
    ![tls?.certificateChain, tls?.privateKey, tls?.clientRoots].every(isText) ||
    issuance === undefined ||
    authenticator === undefined
  ) {
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'a server wants issuance, authenticator, and tls with certificateChain, privateKey and clientRoots, each PEM text',
    )
  }
  checkLimits(options)
  const grpc = await loadGrpc(options.grpc)
  const logger = options.logger ?? silentLogger
  const connections = new ConnectionRegistry()
  const grpcServer = new grpc.Server({
    'grpc.max_receive_message_length': options.maxMessageBytes ?? 64 * 1024,
    'grpc.max_concurrent_streams': options.maxStreams ?? 1024,
    'grpc-node.max_session_memory': options.maxSessionMemoryMb ?? 16,
    'grpc.max_connection_age_ms': (options.maxConnectionAgeSeconds ?? 1800) * 1000,
    'grpc.max_connection_age_grace_ms': 60_000,
  })
  grpcServer.addService(
    certificateServiceDefinition,
    certificateServiceHandlers({ ...options, tlsPeerOf: (call) => connections.find(call.getPeer()) }),
  )
  const injector = grpcServer.createConnectionInjector(grpc.ServerCredentials.createInsecure()) // TLS ends here, above it
  const tlsServer = usable('ERR_SERVER_START', options.tls, () =>
    createTlsServer(options, connections, injector, logger),
  )
  const sockets = liveSockets(tlsServer)
  const { address, port } = await listen(tlsServer, options, logger)
  const server: CertificateServer = {
    host: address,
    port,
    grpcServer,
    get connections() {
      return connections.size
    },
    updateTls: (material) =>
      usable('ERR_INVALID_ARGUMENT', material, () =>
        tlsServer.setSecureContext(secureContextOptions(material)),
      ),
    close: (graceMs = 5_000) =>
      closeAll({ tlsServer, injector, grpcServer, sockets, clock: options.clock ?? systemClock }, graceMs),
    [Symbol.asyncDispose]: () => server.close(),
  }
  return server
}

/** To grpc-js and Node a limit that is no positive number is often none at all. @throws ERR_INVALID_ARGUMENT */
function checkLimits({
  port,
  maxConnections,
  maxStreams,
  maxMessageBytes,
  maxSessionMemoryMb,
  maxConnectionAgeSeconds,
}: CertificateServerOptions): void {
  checkCounts({ port }, 0, 65_535)
  checkCounts({ maxConnections, maxStreams, maxMessageBytes, maxSessionMemoryMb }, 1, 2 ** 32 - 1)
  // A timer of the platform that is set for longer ends at once (2^31 ms).
  checkMeasures({ maxConnectionAgeSeconds }, 0.001, 1_000_000)
}

/** OpenSSL says what is wrong with material, and nothing of what is in it; of bad roots it says nothing at all. */
function usable<Result>(
  code: 'ERR_SERVER_START' | 'ERR_INVALID_ARGUMENT',
  material: ServerTlsMaterial,
  use: () => Result,
): Result {
  try {
    if (material.clientRoots.trim() !== '') Certificate.listFromPem(material.clientRoots)
    return use()
  } catch (cause) {
    throw new PkiError(
      code,
      `the TLS material cannot be used: ${faultOf(Object(material) as ServerTlsMaterial) ?? (cause instanceof Error ? cause.message : 'unknown')}`,
      { cause },
    )
  }
}

/** Which of the three it is, in words: OpenSSL's are "DECODER routines::unsupported". */
function faultOf({ certificateChain, privateKey, clientRoots }: ServerTlsMaterial): string | undefined {
  if (![certificateChain, privateKey, clientRoots].every(isText))
    return 'certificateChain, privateKey and clientRoots are PEM text each'
  const certificate = attempt(() => new X509Certificate(certificateChain))
  if (certificate === undefined) return 'certificateChain holds no certificate in PEM'
  const key = attempt(() => createPrivateKey(privateKey))
  if (key === undefined) return 'privateKey is no private key in PEM, or an encrypted one'
  if (!certificate.checkPrivateKey(key))
    return 'privateKey is not the key of the first certificate of certificateChain'
  return attempt(() => clientRoots.trim() === '' || Certificate.listFromPem(clientRoots)) === undefined
    ? 'clientRoots holds something else than certificates in PEM'
    : undefined
}

function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function secureContextOptions(material: ServerTlsMaterial): TlsOptions {
  return {
    cert: material.certificateChain,
    key: material.privateKey,
    ca: material.clientRoots,
    minVersion: 'TLSv1.2',
    // A resumed session would skip the client's certificate and a trust bundle that changed since.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

function createTlsServer(
  options: CertificateServerOptions,
  connections: ConnectionRegistry,
  injector: ConnectionInjector,
  logger: Logger,
): TlsServer {
  const server = createServer({
    ...secureContextOptions(options.tls),
    ALPNProtocols: ['h2'],
    requestCert: true,
    rejectUnauthorized: false, // a token may do; the authenticators judge the chain, and say why in the log
    handshakeTimeout: 10_000,
  })
  server.maxConnections = options.maxConnections ?? 10_000
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', (error: Error) => logger.debug({ reason: error.message }, 'connection failed'))
    try {
      connections.add(socket)
    } catch (error) {
      logger.warn(
        { code: isPkiError(error) ? error.code : 'ERR_INTERNAL', peer: socket.remoteAddress },
        'client certificate is malformed',
      )
      socket.destroy()
      return
    }
    injector.injectConnection(socket)
  })
  server.on('tlsClientError', (error, socket) => {
    logger.debug({ reason: error.message, peer: socket.remoteAddress }, 'TLS handshake failed')
    socket.destroy()
  })
  server.on('drop', () => logger.warn({ limit: server.maxConnections }, 'connection refused: too many'))
  return server
}

function listen(server: TlsServer, options: CertificateServerOptions, logger: Logger): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(new PkiError('ERR_SERVER_START', `cannot listen: ${cause.message}`, { cause }))
    server.once('error', failed)
    try {
      server.listen(options.port ?? 0, options.host ?? '127.0.0.1', () => {
        server.off('error', failed)
        // A connection that cannot be accepted, for want of files for one, would else end the process.
        server.on('error', (error: Error) =>
          logger.error({ reason: error.message }, 'a connection cannot be accepted'),
        )
        resolve(server.address() as AddressInfo)
      })
    } catch (cause) {
      failed(cause as Error) // a port that is none
    }
  })
}

/** Every connection, those in the middle of a handshake too. */
function liveSockets(server: TlsServer): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

interface Running {
  readonly tlsServer: TlsServer
  readonly injector: ConnectionInjector
  readonly grpcServer: Server
  readonly sockets: ReadonlySet<Socket>
  readonly clock: Clock
}

async function closeAll(
  { tlsServer, injector, grpcServer, sockets, clock }: Running,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => tlsServer.close(() => resolve()))
  injector.drain(graceMs) // closes every session; streams in flight may end
  // Whoever shook no hands, or never spoke HTTP/2, has no session that could be closed, and would hold the server open for as long as it likes.
  const stop = clock.schedule(() => {
    for (const socket of sockets) socket.destroy()
  }, graceMs)
  await closed
  stop()
  grpcServer.forceShutdown()
}
