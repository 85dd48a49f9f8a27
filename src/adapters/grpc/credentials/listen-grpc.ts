// A port of a grpc-js server with mutual TLS by SPIFFE ID.

import type { Server } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { checkCounts, checkDelayMs, requireCount } from '../../../internal/numbers.ts'
import { checkTexts } from '../../../internal/option-types.ts'
import { readOptions } from '../../../internal/options.ts'
import type { OptionKinds } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import { systemClock } from '../../../runtime/index.ts'
import { safeLogger } from '../../../runtime/internal.ts'
import type { Logger } from '../../../runtime/index.ts'
import type { SpiffeId, SpiffeIdMatcher } from '../../../spiffe/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import type { GrpcTlsIdentity } from './tls-identity.ts'
import { openTlsPort } from './tls-port.ts'

/**
 * Options of `listenGrpc`.
 *
 * @inline
 */
export interface ListenGrpcOptions {
  /** The accepted clients. Required: no default accepts every client. */
  readonly authorize: SpiffeId | SpiffeIdMatcher | string
  /** Default `127.0.0.1`. */
  readonly host?: string | undefined
  /** Default 0: a free port. */
  readonly port?: number | undefined
  /**
   * At this age a connection accepts no further calls, and is closed when those in progress have ended, a
   * minute later at the latest. Default 24 hours; Infinity for no limit.
   */
  readonly maxConnectionAgeSeconds?: number | undefined
  /**
   * Maximum number of octets of a client before the end of its handshake, which limits the length of its
   * chain. Default 16 KiB. From 100 KiB on, OpenSSL's own limit alone holds, and the keys of the chain are
   * not checked before OpenSSL imports them.
   */
  readonly maxHandshakeBytes?: number | undefined
  /** Receives a line for refused handshakes, at most one in ten seconds. Default: no log. */
  readonly logger?: Logger | undefined
  /** The copy of `@grpc/grpc-js` that created the server. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

const optionKinds: OptionKinds<ListenGrpcOptions> = {
  authorize: 'required',
  host: 'optional',
  port: 'optional',
  maxConnectionAgeSeconds: 'optional',
  maxHandshakeBytes: 'optional',
  logger: 'optional',
  grpc: 'optional',
}

/** A listening port. */
export interface GrpcListener extends AsyncDisposable {
  readonly host: string
  /** The port; the assigned one if 0 was given. */
  readonly port: number
  /** The verified client of a call on this port; undefined for a call on another port. */
  peerOf(call: { getPeer(): string }): SpiffeId | undefined
  /**
   * Stops accepting, waits up to `graceMs` (default 5,000) for calls in progress, then closes the rest.
   * @throws ERR_INVALID_ARGUMENT
   */
  close(graceMs?: number): Promise<void>
}

/**
 * Opens a port for the services of a grpc-js server. No octet of a call is processed before the client is
 * verified by the bundle of its own trust domain and authorized. New handshakes use the current SVID and
 * bundles, and connections with revoked certificates are closed.
 *
 * Server credentials of grpc-js cannot verify a peer before its session starts. So this package opens the
 * port and passes its connections to the server.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID, ERR_SVID_UNAVAILABLE,
 * ERR_SERVER_START
 * @example
 * ```ts
 * const listener = await listenGrpc(server, identity, { authorize: 'spiffe://example.org/shop', port: 8443 })
 * ```
 */
export async function listenGrpc(
  server: Server,
  identity: GrpcTlsIdentity,
  given: ListenGrpcOptions,
): Promise<GrpcListener> {
  const options = readOptions('listenGrpc', given, optionKinds)
  const { authorize, host = '127.0.0.1', port = 0, maxConnectionAgeSeconds = 86_400 } = options
  const { maxHandshakeBytes = 16 * 1024 } = options
  checkTexts('listenGrpc', { host })
  checkCounts({ port }, 0, 65_535)
  requireCount('maxConnectionAgeSeconds', maxConnectionAgeSeconds, 1, Infinity)
  requireCount('maxHandshakeBytes', maxHandshakeBytes, 1)
  const logger = safeLogger('listenGrpc', options.logger)
  if (typeof (Object(identity) as Partial<GrpcTlsIdentity>).secureServer !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `listenGrpc: identity must come from createTlsIdentity, found ${nameOf(identity)}`,
    )
  const grpc = await loadGrpc(options.grpc)
  const peers = new Map<string, SpiffeId>()
  const tlsServer = identity.secureServer(
    // The gate has no information about calls: at the maximum age it would end those in progress.
    { authorize, alpn: ['h2'], maxConnectionAgeSeconds: Infinity },
    (socket, peer) => {
      const connection = connectionOf(socket)
      // Two connections with the same addresses could not be distinguished.
      if (connection === undefined || peers.has(connection)) {
        socket.destroy()
        return
      }
      peers.set(connection, peer.id)
      // One injector for each connection, so that each can be drained separately. The credentials are
      // insecure because TLS is already terminated.
      const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
      injectors.add(injector)
      const stopAge = afterSeconds(maxConnectionAgeSeconds, () => injector.drain(lastCallsMs))
      socket.once('close', () => {
        peers.delete(connection)
        stopAge()
        injectors.delete(injector)
        injector.destroy()
      })
      socket.on('error', () => undefined)
      injector.injectConnection(socket)
    },
  )
  const injectors = new Set<ReturnType<Server['createConnectionInjector']>>()
  const opened = await openTlsPort(tlsServer, { host, port, maxHandshakeBytes, logger })
  const listener: GrpcListener = {
    host: opened.address.address,
    port: opened.address.port,
    peerOf: (call) => {
      const connection = connectionOf(infoOf(call))
      return connection === undefined ? undefined : peers.get(connection)
    },
    close: async (graceMs = 5_000) => {
      checkDelayMs({ graceMs })
      const closed = opened.close(graceMs)
      for (const injector of injectors) injector.drain(graceMs)
      await closed
    },
    [Symbol.asyncDispose]: () => listener.close(),
  }
  return listener
}

function afterSeconds(seconds: number, perform: () => void): () => void {
  return seconds === Infinity ? () => undefined : systemClock.schedule(perform, seconds * 1000)
}

/** Time for the calls in progress of a connection that has reached its maximum age. */
const lastCallsMs = 60_000

/** The two addresses and ports of a connection. */
interface ConnectionInfo {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/**
 * Local and remote address and port: those of the client alone are not enough, because it may connect to two
 * ports of the server from one of its ports.
 */
function connectionOf({
  localAddress,
  localPort,
  remoteAddress,
  remotePort,
}: ConnectionInfo): string | undefined {
  return remoteAddress === undefined || localAddress === undefined
    ? undefined
    : `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`
}

/**
 * The addresses of the connection of an interceptor's call, or of a handler's call, which has the
 * interceptor's call in `call` (grpc-js 1.14).
 */
function infoOf(given: object): ConnectionInfo {
  type Intercepted = { getConnectionInfo?(): ConnectionInfo }
  const found = given as Intercepted & { readonly call?: Intercepted }
  return found.getConnectionInfo?.() ?? found.call?.getConnectionInfo?.() ?? {}
}
