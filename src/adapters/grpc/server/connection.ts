// One accepted connection, its source, and its calls.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Metadata } from '@grpc/grpc-js'
import type { TlsPeer } from '../../../auth/internal.ts'

/** The counts for all connections of one source. */
export class Source {
  readonly address: string
  readonly connections: Set<Connection> = new Set()
  /** Connections without an authenticated call, the oldest first. */
  readonly strangers: Set<Connection> = new Set()
  /** Unauthenticated calls whose request is not complete, the oldest first. */
  readonly incomplete: Set<AdmittedCall> = new Set()
  /** The number of unauthenticated calls whose work has not ended. */
  strangerCalls = 0

  readonly #forget: (source: Source) => void

  /** @param forget Called when all counts of the source are zero. */
  constructor(address: string, forget: (source: Source) => void) {
    this.address = address
    this.#forget = forget
  }

  /**
   * The incomplete call that is ended to admit a new one: one of the same connection, otherwise one of a
   * connection with several calls, otherwise the oldest. So the only call of a connection is not ended
   * because another client behind the same address has many.
   */
  oldestIncompleteFor(connection: Connection): AdmittedCall | undefined {
    for (const call of connection.calls) if (this.incomplete.has(call)) return call
    for (const call of this.incomplete) if (call.connection.calls.size > 1) return call
    return this.incomplete.values().next().value
  }

  /** Must be called after a count was reduced. */
  settle(): void {
    if (this.connections.size === 0 && this.strangerCalls === 0) this.#forget(this)
  }
}

/** A connection, from accepting to closing it. */
export class Connection {
  readonly socket: Socket
  readonly source: Source
  /** The number of calls whose work has not ended, including abandoned ones. */
  readonly calls: Set<AdmittedCall> = new Set()
  /** Reasons that were already logged for this connection. */
  readonly logged: Set<string> = new Set()
  /** The client's side of the handshake; undefined without TLS. */
  tls: TlsPeer | undefined
  session: ServerHttp2Session | undefined
  /** Called once, at the first authenticated call. */
  onAuthenticated: (() => void) | undefined
  /** Closes the connection after the pending responses were sent. */
  endSoon: (() => void) | undefined
  #stopTimer: (() => void) | undefined
  #authenticated = false
  #wastedStreams = 0
  #wastedSinceMs = 0

  constructor(socket: Socket, source: Source) {
    this.socket = socket
    this.source = source
  }

  /** Whether a call on the connection was authenticated. */
  get authenticated(): boolean {
    return this.#authenticated
  }

  /** Removes the limits of unauthenticated connections from this connection. */
  markAuthenticated(): void {
    if (this.#authenticated) return
    this.#authenticated = true
    this.source.strangers.delete(this)
    for (const call of this.calls) call.leaveStrangers()
    this.onAuthenticated?.()
  }

  /**
   * Counts a stream wasted by the client; returns how many there were. An authenticated connection, which may
   * last for days, starts again after ten seconds.
   */
  noteWasted(nowMs: number): number {
    if (this.#authenticated && nowMs - this.#wastedSinceMs > wastedWindowMs) {
      this.#wastedStreams = 0
      this.#wastedSinceMs = nowMs
    }
    return ++this.#wastedStreams
  }

  /** Replaces the running timer of this connection; undefined stops it. */
  setTimer(stop: (() => void) | undefined): void {
    this.#stopTimer?.()
    this.#stopTimer = stop
  }

  /** Whether the reason was not logged yet: a peer must not fill the log. */
  isFirst(reason: string): boolean {
    if (this.logged.has(reason)) return false
    this.logged.add(reason)
    return true
  }
}

/** An admitted call: it holds its place until its stream is closed and its work has ended. */
export class AdmittedCall {
  readonly connection: Connection
  readonly stream: ServerHttp2Stream
  /** Whether the listener ended the call. */
  refused = false
  #taken = false
  #working = false
  #closed = false
  #counted: boolean
  #stopTimer: (() => void) | undefined

  constructor(stream: ServerHttp2Stream, connection: Connection) {
    this.stream = stream
    this.connection = connection
    this.#counted = !connection.authenticated
    connection.calls.add(this)
    if (!this.#counted) return
    connection.source.strangerCalls++
    connection.source.incomplete.add(this)
  }

  /** Whether a handler accepted the call. */
  get taken(): boolean {
    return this.#taken
  }

  /** Starts the timer for completing the request. */
  setTimer(stop: () => void): void {
    this.#stopTimer = stop
  }

  /** The request is complete and a handler processes it, until `end`. */
  begin(): void {
    this.#taken = true
    this.#working = true
    this.#received()
  }

  /** The work has ended. */
  end(): void {
    this.#working = false
    this.#release()
  }

  /** The stream is closed. */
  close(): void {
    this.#closed = true
    this.#received()
    this.#release()
  }

  /** The connection was authenticated: the call no longer counts for its source. */
  leaveStrangers(): void {
    if (!this.#counted) return
    this.#counted = false
    const { source } = this.connection
    source.strangerCalls--
    source.incomplete.delete(this)
    source.settle()
  }

  #received(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.connection.source.incomplete.delete(this)
  }

  #release(): void {
    if (this.#working || !this.#closed) return
    this.connection.calls.delete(this)
    this.leaveStrangers()
  }
}

const wastedWindowMs = 10_000

/**
 * Calls by their request metadata, which grpc-js passes from the interceptor to the handler as one object.
 */
const callsByMetadata = new WeakMap<Metadata, AdmittedCall>()

/** Records which call the metadata belongs to. */
export function noteCall(metadata: Metadata, call: AdmittedCall): void {
  callsByMetadata.set(metadata, call)
}

/** The call with this metadata; undefined on a custom server. */
export function admittedCallOf(call: { readonly metadata: Metadata }): AdmittedCall | undefined {
  return callsByMetadata.get(call.metadata)
}
