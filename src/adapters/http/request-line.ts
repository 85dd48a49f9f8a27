// Orders requests: a few begin in each turn of the event loop, and sources and their connections take turns.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { sourceOfAddress } from '../../internal/ip-address.ts'
import { endConnection } from './end-connection.ts'

/** A connection of HTTP/1, or a session of HTTP/2. */
interface Connection {
  readonly source: string
  /** Requests whose responses the client has not read. */
  unanswered: number
  /** The last turn of the event loop in which a request began on arrival. */
  begunIn: number
  readonly waiting: (() => void)[]
}

/** Begins a request; `source` is the IPv4 address or the IPv6 /64 of its client. */
type Begin = (source: string) => void

/**
 * Node passes on every request that has arrived, on all connections, in one turn of the event loop, and does
 * not wait for the answers (RFC 9112 §9.3.2). An answer costs several times what reading its request costs.
 * With turns, a request waits for at most one request of each other source and of each other connection of
 * its source, instead of all requests of a flood. Node accepts one connection per turn of the event loop, so
 * turns are short: a new client must not wait long behind clients that connect repeatedly.
 */
export class RequestLine {
  readonly #connections = new WeakMap<object, Connection>()
  /** Connections with waiting requests, by source; both in the order of their turns. */
  readonly #waiting = new Map<string, Set<Connection>>()
  #turn = 0
  /** Requests that have arrived in this turn. */
  #arrived = 0
  /** Requests that may still begin in this turn. */
  #left = perTurn
  #scheduled = false

  /**
   * Begins the request now or in a later turn, unless its connection is closed first. A connection with too
   * many unanswered requests is closed: few clients ever have more than one.
   */
  enter(request: IncomingMessage, response: ServerResponse, begin: Begin): void {
    const connection = this.#connectionOf(request)
    this.#arrived++
    this.#schedule()
    // HTTP/2 limits the streams of a session itself.
    const isFull = request.httpVersionMajor < 2 && connection.unanswered >= this.#maxUnanswered()
    if (isFull || request.socket.destroyed) {
      endConnection(request)
      this.#forget(connection)
      return
    }
    connection.unanswered++
    // Only then has the client read the response; a client that does not read keeps its places.
    response.once('close', () => connection.unanswered--)
    // One of each connection: Node may find hundreds in one read, each of them answered before the next.
    if (this.#left > 0 && connection.begunIn !== this.#turn && connection.waiting.length === 0) {
      connection.begunIn = this.#turn
      this.#left--
      begin(connection.source)
    } else this.#wait(connection, () => request.socket.destroyed || begin(connection.source))
  }

  #maxUnanswered(): number {
    return this.#arrived <= maxArrived ? maxUnanswered : maxUnansweredInFlood
  }

  #connectionOf(request: IncomingMessage): Connection {
    const { stream } = request as { readonly stream?: { readonly session?: object } }
    const key = stream?.session ?? request.socket
    const known = this.#connections.get(key)
    if (known !== undefined) return known
    const source = sourceOfAddress(request.socket.remoteAddress ?? 'local')
    const connection = { source, unanswered: 0, begunIn: -1, waiting: [] }
    this.#connections.set(key, connection)
    return connection
  }

  #wait(connection: Connection, begin: () => void): void {
    connection.waiting.push(begin)
    const connections = this.#waiting.get(connection.source)
    if (connections === undefined) this.#waiting.set(connection.source, new Set([connection]))
    else connections.add(connection)
  }

  #forget(connection: Connection): void {
    connection.waiting.length = 0
    const connections = this.#waiting.get(connection.source)
    connections?.delete(connection)
    if (connections?.size === 0) this.#waiting.delete(connection.source)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#next)
  }

  readonly #next = (): void => {
    this.#scheduled = false
    this.#turn++
    this.#arrived = 0
    for (this.#left = perTurn; this.#left > 0; this.#left--) {
      const begin = this.#take()
      if (begin === undefined) return
      this.#schedule()
      begin()
    }
  }

  /** The next request of the next connection of the next source; both then go to the end. */
  #take(): (() => void) | undefined {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const [source, connections] = first
    const [connection] = connections
    this.#waiting.delete(source)
    if (connection === undefined) return undefined
    connections.delete(connection)
    const begin = connection.waiting.shift()
    if (connection.waiting.length > 0) connections.add(connection)
    if (connections.size > 0) this.#waiting.set(source, connections)
    return begin
  }
}

/** About 2 ms of work for responses that are cached. */
const perTurn = 16
const maxUnanswered = 16
const maxUnansweredInFlood = 4
/** More requests than this in one turn count as a flood. */
const maxArrived = 256
