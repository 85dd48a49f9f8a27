// Every open connection of a server, by source: limits their number, and selects the one to close when there
// are too many.

import type { Socket } from 'node:net'
import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { ResolvedLimits } from './admission-limits.ts'
import { LogPace } from '../../../internal/log-pace.ts'
import type { HandshakeFault } from '../handshake/index.ts'
import { Connection, Source } from './connection.ts'
import { sourceOf } from './source-address.ts'

/** The connections of one server. */
export class Connections {
  readonly #limits: ResolvedLimits
  readonly #logger: Logger
  readonly #metrics: Metrics
  readonly #pace: LogPace
  readonly #sources = new Map<string, Source>()
  #size = 0

  constructor(limits: ResolvedLimits, logger: Logger, metrics: Metrics, clock: Pick<Clock, 'monotonic'>) {
    this.#pace = new LogPace(clock)
    this.#limits = limits
    this.#logger = logger
    this.#metrics = metrics
  }

  /** The number of open connections, including those in the TLS handshake. */
  get size(): number {
    return this.#size
  }

  /** Counts an accepted socket. Undefined, and the socket is destroyed, if the limit is reached. */
  accept(socket: Socket, local: boolean): Connection | undefined {
    const { remoteAddress } = socket
    // A socket that was already reset has no address, and Node 20 and 22 would never close it.
    const source = remoteAddress === undefined && !local ? undefined : this.#sourceAt(sourceOf(remoteAddress))
    const refusal = source === undefined ? 'reset' : this.#makeRoom(source)
    if (source === undefined || refusal !== undefined) {
      this.refuse(socket, refusal ?? 'reset')
      source?.settle()
      return undefined
    }
    const connection = new Connection(socket, source)
    this.#add(connection)
    return connection
  }

  /** Closes every connection at once. */
  destroyAll(): void {
    for (const source of this.#sources.values())
      for (const connection of source.connections) connection.socket.destroy()
  }

  /** Destroys a socket, counts it and logs the reason. */
  refuse(socket: Socket, reason: 'reset' | 'source' | 'connections'): void {
    this.#metrics.count(metricNames.grpcConnectionsRefused, { reason })
    const limit = reason === 'source' ? this.#limits.maxConnectionsPerSource : this.#limits.maxConnections
    if (reason === 'reset') this.#logger.debug({ reason }, 'connection was reset before it was accepted')
    else
      this.#warn(
        reason,
        { limit, peer: socket.remoteAddress },
        'connection refused: there are too many connections',
      )
    socket.destroy()
  }

  /** Resets the connection of a handshake that is longer than the limit; counts and logs it. */
  refuseHandshake(socket: Socket, octets: number): void {
    const reason = 'handshake'
    this.#metrics.count(metricNames.grpcConnectionsRefused, { reason })
    this.#warn(
      reason,
      { limit: this.#limits.maxHandshakeBytes, octets, peer: socket.remoteAddress },
      'TLS handshake refused: the client sent more than maxHandshakeBytes, as with a long certificate chain',
    )
    socket.resetAndDestroy()
  }

  /** Resets the connection of a handshake whose certificates are not accepted; counts and logs it. */
  refuseChain(socket: Socket, fault: HandshakeFault): void {
    const reason = fault.code === undefined ? 'handshake' : 'certificate'
    this.#metrics.count(metricNames.grpcConnectionsRefused, { reason })
    const fields = { ...fault, peer: socket.remoteAddress }
    if (fault.code === undefined) this.#logger.debug(fields, 'TLS handshake refused')
    else this.#warn(reason, fields, 'client certificate refused: the connection is closed')
    socket.resetAndDestroy()
  }

  /** Closes the oldest unfinished handshake of a source that has too many of them; counts and logs it. */
  refuseUnfinished(socket: Socket): void {
    const reason = 'unfinished'
    this.#metrics.count(metricNames.grpcConnectionsRefused, { reason })
    this.#warn(
      reason,
      { peer: socket.remoteAddress },
      'TLS handshake ended: its source has too many unfinished handshakes, and this is the oldest',
    )
    socket.destroy()
  }

  /** The limit that was reached, if any. */
  #makeRoom(source: Source): 'source' | 'connections' | undefined {
    const { maxConnections, maxConnectionsPerSource } = this.#limits
    if (source.connections.size >= maxConnectionsPerSource && !this.#evict(source, maxConnectionsPerSource))
      return 'source'
    if (this.#size >= maxConnections && !this.#evict(this.#fullest(), maxConnections)) return 'connections'
    return undefined
  }

  #sourceAt(address: string): Source {
    const known = this.#sources.get(address)
    if (known !== undefined) return known
    const source = new Source(address, () => this.#sources.delete(address))
    this.#sources.set(address, source)
    return source
  }

  #add(connection: Connection): void {
    const { socket, source } = connection
    this.#size++
    source.connections.add(connection)
    source.strangers.add(connection)
    socket.once('close', () => {
      this.#size--
      connection.setTimer(undefined)
      source.connections.delete(connection)
      source.strangers.delete(connection)
      source.settle()
    })
  }

  /** Closes the oldest unauthenticated connection; false if there is none. */
  #evict(source: Source | undefined, limit: number): boolean {
    const oldest = source?.strangers.values().next().value
    if (source === undefined || oldest === undefined) return false
    source.strangers.delete(oldest)
    this.#metrics.count(metricNames.grpcConnectionsRefused, { reason: 'evicted' })
    this.#warn(
      'evicted',
      { source: source.address, connections: source.connections.size, limit },
      'unauthenticated connection closed: too many connections',
    )
    oldest.socket.destroy()
    return true
  }

  #warn(reason: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    const due = this.#pace.due(reason)
    if (due !== undefined) this.#logger.warn({ reason, ...fields, ...due }, message)
  }

  #fullest(): Source | undefined {
    let fullest: Source | undefined
    for (const source of this.#sources.values())
      if (source.strangers.size > (fullest?.strangers.size ?? 0)) fullest = source
    return fullest
  }
}
