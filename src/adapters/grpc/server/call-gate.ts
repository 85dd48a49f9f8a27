// The gate between HTTP/2 and grpc-js: decides which streams become calls, limits the time of requests, and
// answers refused ones.

import { constants } from 'node:http2'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { ServerInterceptor } from '@grpc/grpc-js'
import { TurnLine } from '../../../internal/turns/turn-lines.ts'
import { metricNames } from '../../../runtime/index.ts'
import type { Clock, Logger, Metrics } from '../../../runtime/index.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { retryPushback, status } from '../status.ts'
import type { ResolvedLimits } from './admission-limits.ts'
import { AdmittedCall, noteCall } from './connection.ts'
import type { Connection } from './connection.ts'
import type { InjectedHttp2Server, StreamHandler } from './http2-server.ts'

/** The dependencies of a gate. */
export interface CallGateOptions {
  readonly limits: ResolvedLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

type Refusal = 'headers' | 'streams' | 'calls' | 'evicted' | 'timeout'

/** Admits streams of connections that were passed to it. */
export class CallGate {
  readonly #options: CallGateOptions
  readonly #connections = new WeakMap<ServerHttp2Session, Connection>()
  /**
   * Queued streams: grpc-js takes about 0.1 ms to begin a call, and thousands may arrive in one turn of the
   * event loop. Streams of authenticated connections do not wait for those of others.
   */
  readonly #strangers = new TurnLine(passedPerTurn)
  readonly #authenticated = new TurnLine(passedPerTurn)
  /** The call whose stream is being passed to grpc-js, which creates its objects synchronously. */
  #passing: AdmittedCall | undefined

  constructor(options: CallGateOptions) {
    this.#options = options
  }

  /** Records the session of a connection. */
  addSession(session: ServerHttp2Session, connection: Connection): void {
    connection.session = session
    this.#connections.set(session, connection)
  }

  /** Installs the gate before the handler of grpc-js. */
  guard({ http2Server, handleStream }: InjectedHttp2Server): void {
    http2Server.on(
      'stream',
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: unknown[]) => {
        const call = this.#admit(stream, headers)
        if (call === undefined) return
        const pass = (): void => this.#pass(call, handleStream, [stream, headers, ...rest])
        const line = call.connection.authenticated ? this.#authenticated : this.#strangers
        line.add(pass)
      },
    )
  }

  /**
   * Associates the metadata of a call with its stream: in the public API of grpc-js, a handler has no access
   * to the stream.
   */
  interceptor(grpc: GrpcModule): ServerInterceptor {
    return (_method, next) => {
      const call = this.#passing
      if (call === undefined) return new grpc.ServerInterceptingCall(next)
      const listener = new grpc.ServerListenerBuilder()
        .withOnReceiveMetadata((metadata, pass) => {
          noteCall(metadata, call)
          pass(metadata)
        })
        .build()
      return new grpc.ServerInterceptingCall(next, { start: (pass) => pass(listener) })
    }
  }

  #pass(call: AdmittedCall, handleStream: StreamHandler, event: readonly unknown[]): void {
    if (call.stream.destroyed || call.stream.closed) return // while it was queued
    this.#passing = call
    try {
      handleStream(...event)
    } finally {
      this.#passing = undefined
    }
  }

  #admit(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): AdmittedCall | undefined {
    const connection =
      stream.session === undefined ? undefined : this.#connections.get(stream.session as ServerHttp2Session)
    stream.on('error', () => undefined)
    if (connection === undefined) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
      return undefined
    }
    const refusal = this.#refusalOf(connection, headers)
    if (refusal !== undefined) {
      this.#refuse(stream, connection, refusal)
      if (refusal !== 'calls') this.#noteWasted(connection)
      return undefined
    }
    const call = new AdmittedCall(stream, connection)
    call.setTimer(
      this.#options.clock.schedule(() => this.#timeout(call), this.#options.limits.requestTimeoutMs),
    )
    stream.once('close', () => {
      if (!call.taken && !call.refused) this.#noteUntaken(stream, connection)
      call.close()
    })
    return call
  }

  #refusalOf(connection: Connection, headers: IncomingHttpHeaders): Refusal | undefined {
    const { maxHeaderBytes, maxUnauthenticatedStreams, maxUnauthenticatedCallsPerSource, maxStreams } =
      this.#options.limits
    if (octetsOf(headers) > maxHeaderBytes) return 'headers'
    if (connection.calls.size >= (connection.authenticated ? maxStreams : maxUnauthenticatedStreams))
      return 'streams'
    const { source } = connection
    if (connection.authenticated || source.strangerCalls < maxUnauthenticatedCallsPerSource) return undefined
    const oldest = source.oldestIncompleteFor(connection)
    if (oldest === undefined) return 'calls'
    source.incomplete.delete(oldest)
    this.#end(oldest, 'evicted')
    return undefined
  }

  #timeout(call: AdmittedCall): void {
    const { connection } = call
    this.#end(call, 'timeout')
    // Otherwise a caller that leaves requests unfinished would occupy its places again and again.
    if (!connection.authenticated) connection.endSoon?.()
  }

  #end(call: AdmittedCall, refusal: Refusal): void {
    call.refused = true
    this.#refuse(call.stream, call.connection, refusal)
  }

  /** Responds, if there was no response yet, and ends the stream in both directions. */
  #refuse(stream: ServerHttp2Stream, connection: Connection, refusal: Refusal): void {
    this.#options.metrics.count(metricNames.grpcCallsRefused, { reason: refusal })
    const level = connection.isFirst(refusal) ? 'warn' : 'debug'
    this.#options.logger[level](
      { reason: refusal, peer: connection.socket.remoteAddress, streams: connection.calls.size },
      'call refused before it reached a service',
    )
    if (stream.destroyed || stream.closed) return
    if (!stream.headersSent) stream.respond(answers[refusal], { endStream: true })
    stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /**
   * A stream wasted by the client: reset before its request was complete, or over a limit. A client that
   * opens and resets streams never reaches its limit of open streams (CVE-2023-44487), and each stream costs
   * the event loop about 0.1 ms. Calls that a service has begun are not counted.
   */
  #noteWasted(connection: Connection): void {
    const limit = connection.authenticated ? maxWastedOfCaller : maxWastedStreams
    const wasted = connection.noteWasted(this.#options.clock.monotonic())
    if (wasted !== limit) return
    this.#options.metrics.count(metricNames.grpcConnectionsRefused, { reason: 'wasted streams' })
    this.#options.logger.warn(
      { reason: 'wasted streams', peer: connection.socket.remoteAddress, streams: limit },
      'connection closed: streams that were reset or over a limit',
    )
    // Destroying the session here would crash the process, because nghttp2 is still reading its frames.
    connection.socket.destroy()
  }

  /**
   * Responses of grpc-js itself: an unknown method, a message that is too large or malformed, another content
   * type.
   */
  #noteUntaken(stream: ServerHttp2Stream, connection: Connection): void {
    const sent = { ...stream.sentHeaders, ...stream.sentTrailers }
    const code = sent['grpc-status'] ?? sent[':status']
    if (code === undefined) {
      this.#noteWasted(connection)
      return
    }
    const reason = sent['grpc-status'] === undefined ? 'http' : 'grpc'
    this.#options.metrics.count(metricNames.grpcCallsRefused, { reason, status: String(code) })
    const level = connection.isFirst(`${reason} ${String(code)}`) ? 'warn' : 'debug'
    this.#options.logger[level](
      { status: code, details: sent['grpc-message'], peer: connection.socket.remoteAddress },
      'call refused before it reached a service',
    )
  }
}

const passedPerTurn = 64
/** More than a client may open before it has read the SETTINGS: 100 in most clients. */
const maxWastedStreams = 256
/** Below the 1,000 resets after which nghttp2 reads no more of a connection, and leaves it open. */
const maxWastedOfCaller = 512

/**
 * Octets of names and values, as HTTP/2 counts a header list (RFC 9113 §6.5.2), but without its 32 octets per
 * entry.
 */
function octetsOf(headers: IncomingHttpHeaders): number {
  let octets = 0
  for (const [name, value] of Object.entries(headers))
    octets += name.length + (Array.isArray(value) ? value.join('').length : (value?.length ?? 0))
  return octets
}

function answer(code: number, text: string): Readonly<Record<string, string | number>> {
  return {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-status': code,
    'grpc-message': encodeURI(text),
    ...(code === status.RESOURCE_EXHAUSTED ? { [retryPushback]: '1000' } : {}),
  }
}

const full = 'too many calls'

const answers: Readonly<Record<Refusal, Readonly<Record<string, string | number>>>> = {
  headers: answer(status.RESOURCE_EXHAUSTED, 'the headers of the request are too large'),
  streams: answer(status.RESOURCE_EXHAUSTED, full),
  calls: answer(status.RESOURCE_EXHAUSTED, full),
  evicted: answer(status.RESOURCE_EXHAUSTED, full),
  timeout: answer(status.DEADLINE_EXCEEDED, 'the request was not complete in time'),
}
