// Admission of a server: one grpc-js server behind any number of ports, with common limits for
// unauthenticated callers on all of them.

import type { Http2Server, ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { ConnectionInjector, Server } from '@grpc/grpc-js'
import { checkDelayMs } from '../../../internal/numbers.ts'
import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { GrpcModule } from '../grpc-module.ts'
import type { ResolvedLimits } from './admission-limits.ts'
import { CallGate } from './call-gate.ts'
import type { Connection } from './connection.ts'
import { Connections } from './connections.ts'
import { HandshakeLine } from './handshake-line.ts'
import { injectHttp2Server } from './http2-server.ts'

/** The dependencies of an admission. */
export interface AdmissionOptions {
  readonly grpc: GrpcModule
  readonly limits: ResolvedLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/**
 * The states of a connection: accepted, TLS handshake queued, HTTP/2 SETTINGS, first authenticated call. Each
 * has a time limit.
 */
export class Admission {
  /** The server to which services are added. */
  readonly grpcServer: Server
  readonly connections: Connections
  readonly handshakes: HandshakeLine
  readonly logger: Logger
  readonly limits: ResolvedLimits
  readonly #options: AdmissionOptions
  readonly #gate: CallGate
  readonly #injector: ConnectionInjector
  /** The connection that is being passed to HTTP/2, which creates its session synchronously. */
  #injecting: Connection | undefined

  constructor(options: AdmissionOptions) {
    const { grpc, limits, logger, metrics, clock } = options
    this.#options = options
    this.logger = logger
    this.limits = limits
    this.connections = new Connections(limits, logger, metrics, clock)
    this.handshakes = new HandshakeLine(clock, ({ socket }) => this.connections.refuseUnfinished(socket))
    this.#gate = new CallGate(options)
    this.grpcServer = new grpc.Server({
      ...channelOptions(limits),
      interceptors: [this.#gate.interceptor(grpc)],
    })
    const injected = injectHttp2Server(grpc, this.grpcServer) // TLS is terminated before this server
    this.#injector = injected.injector
    this.#guard(injected.http2Server)
    this.#gate.guard(injected)
  }

  /** Counts an accepted socket and starts its timer for the first octet; undefined if it was refused. */
  accept(socket: Socket, local: boolean): Connection | undefined {
    this.handshakes.mark()
    const connection = this.connections.accept(socket, local)
    if (connection === undefined) return undefined
    const { firstOctetsTimeoutMs, maxUnauthenticatedSeconds } = this.#options.limits
    const silent = (): void => {
      if (socket.bytesRead === 0 && socket.readableLength === 0) this.#drop(connection, 'silent')
    }
    const stopSilent = this.#options.clock.schedule(silent, firstOctetsTimeoutMs)
    const stopStranger = this.#options.clock.schedule(
      () => this.#endStranger(connection),
      maxUnauthenticatedSeconds * 1000,
    )
    socket.once('close', () => {
      stopSilent()
      stopStranger()
    })
    return connection
  }

  /** Passes a connection to HTTP/2. */
  inject(socket: Socket, connection: Connection): void {
    connection.setTimer(
      this.#options.clock.schedule(
        () => this.#drop(connection, 'no SETTINGS'),
        this.#options.limits.firstOctetsTimeoutMs,
      ),
    )
    this.#injecting = connection
    try {
      this.#injector.injectConnection(socket)
    } finally {
      this.#injecting = undefined
    }
  }

  /**
   * Closes sessions, waits up to `graceMs` for streams in progress, then closes the rest.
   * @throws ERR_INVALID_ARGUMENT
   */
  async close(ports: readonly { close(): Promise<void> }[], graceMs: number): Promise<void> {
    checkDelayMs({ graceMs })
    const closed = Promise.all(ports.map((port) => port.close()))
    this.#injector.drain(graceMs)
    // A connection without a session, during its handshake or silent, would keep the server open.
    const stop = this.#options.clock.schedule(() => this.connections.destroyAll(), graceMs)
    await closed
    stop()
    this.grpcServer.forceShutdown()
  }

  #guard(http2Server: Http2Server): void {
    const { maxUnauthenticatedStreams, maxHeaderBytes } = this.#options.limits
    http2Server.updateSettings({
      maxConcurrentStreams: maxUnauthenticatedStreams,
      maxHeaderListSize: maxHeaderBytes,
    })
    http2Server.on('session', (session: ServerHttp2Session) => {
      const connection = this.#injecting
      if (connection === undefined) session.destroy()
      else this.#follow(session, connection)
    })
  }

  #follow(session: ServerHttp2Session, connection: Connection): void {
    this.#gate.addSession(session, connection)
    session.once('remoteSettings', () => connection.setTimer(undefined))
    connection.onAuthenticated = () => {
      if (!session.destroyed) session.settings({ maxConcurrentStreams: this.#options.limits.maxStreams })
    }
    connection.endSoon = () => this.#endSoon(connection, flushMs)
    // After a malformed frame the session is closed and Node leaves the socket open: the GOAWAY frame gets a
    // second to be sent.
    session.once('close', () => {
      connection.setTimer(this.#options.clock.schedule(() => connection.socket.destroy(), flushMs))
    })
    this.#watch(session, connection)
  }

  /**
   * Node 20 and 22 emit no `close` for some sessions that were destroyed after their socket was reset, as
   * grpc-js does when a PING is not answered: the descriptor would stay open until the process ends.
   */
  #watch(session: ServerHttp2Session, { socket }: Connection): void {
    const { clock, limits } = this.#options
    let wasDestroyed = false
    const look = (): void => {
      if (wasDestroyed) {
        socket.destroy()
        return
      }
      wasDestroyed = session.destroyed
      stop = clock.schedule(look, wasDestroyed ? flushMs : limits.keepaliveTimeoutSeconds * 1000)
    }
    let stop = clock.schedule(look, limits.keepaliveTimeoutSeconds * 1000)
    socket.once('close', () => stop())
  }

  #endStranger(connection: Connection): void {
    if (connection.authenticated) return
    if (connection.calls.size === 0) this.#drop(connection, 'no authenticated call')
    else {
      // Calls that are being authenticated may complete; each has its own time limit.
      this.#endSoon(connection, lastCallsMs)
    }
  }

  #endSoon(connection: Connection, graceMs: number): void {
    connection.session?.close()
    connection.setTimer(this.#options.clock.schedule(() => connection.socket.destroy(), graceMs))
  }

  #drop(connection: Connection, reason: string): void {
    this.#options.metrics.count(metricNames.grpcConnectionsRefused, { reason })
    this.logger.debug({ reason, peer: connection.socket.remoteAddress }, 'unauthenticated connection closed')
    connection.socket.destroy()
  }
}

function channelOptions(limits: ResolvedLimits): Readonly<Record<string, number>> {
  return {
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limits.maxMessageBytes,
    'grpc.max_concurrent_streams': limits.maxUnauthenticatedStreams,
    'grpc-node.max_session_memory': limits.maxSessionMemoryMb,
    'grpc.keepalive_time_ms': limits.keepaliveSeconds * 1000,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutSeconds * 1000,
    'grpc.max_connection_idle_ms': limits.maxIdleSeconds * 1000,
    'grpc.max_connection_age_ms': limits.maxConnectionAgeSeconds * 1000,
    'grpc.max_connection_age_grace_ms': 60_000,
  }
}

const flushMs = 1_000
const lastCallsMs = 60_000
