// Which streams become calls, and what is said of those that do not.

import { EventEmitter } from 'node:events'
import { constants } from 'node:http2'
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { CallGate } from '../../../../../src/adapters/grpc/server/call-gate.ts'
import type { Connection } from '../../../../../src/adapters/grpc/server/connection.ts'
import type { InjectedHttp2Server } from '../../../../../src/adapters/grpc/server/http2-server.ts'
import type { AdmissionLimits } from '../../../../../src/adapters/grpc/server/index.ts'
import { listenerParts, newConnection, newSource } from '../../../../support/listener.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const newSession = (): ServerHttp2Session => Object.create(null) as ServerHttp2Session

class FakeStream extends EventEmitter {
  readonly session: ServerHttp2Session
  destroyed = false
  closed = false
  headersSent = false
  sentHeaders: Record<string, unknown> = {}
  sentTrailers: Record<string, unknown> = {}
  code: number | undefined

  constructor(session: ServerHttp2Session) {
    super()
    this.session = session
  }

  respond(headers: Record<string, unknown>): void {
    this.headersSent = true
    this.sentHeaders = headers
  }

  close(code: number): void {
    this.code = code
    this.end()
  }

  end(): void {
    if (this.closed) return
    this.closed = true
    this.emit('close')
  }
}

class Gate {
  readonly parts: ReturnType<typeof listenerParts>
  readonly gate: CallGate
  readonly http2Server = new EventEmitter()
  /** Streams that reached grpc-js. */
  readonly passed: FakeStream[] = []
  readonly #sessions = new Map<Connection, ServerHttp2Session>()

  constructor(limits: AdmissionLimits = {}) {
    this.parts = listenerParts(limits)
    this.gate = new CallGate(this.parts)
    this.gate.guard({
      http2Server: this.http2Server as unknown as Http2Server,
      handleStream: (stream) => void this.passed.push(stream as FakeStream),
    } as InjectedHttp2Server)
  }

  open(connection: Connection, headers: IncomingHttpHeaders = {}): FakeStream {
    let session = this.#sessions.get(connection)
    if (session === undefined) {
      session = newSession()
      this.#sessions.set(connection, session)
      this.gate.addSession(session, connection)
    }
    const stream = new FakeStream(session)
    this.http2Server.emit('stream', stream, headers)
    return stream
  }
}

const exhausted = { ':status': 200, 'grpc-status': 8, 'grpc-retry-pushback-ms': '1000' }

describe('CallGate', () => {
  it('passes a stream to grpc-js', () => {
    const gate = new Gate()
    const stream = gate.open(newConnection())
    expect(gate.passed).toEqual([stream])
    expect(gate.parts.counted).toEqual([])
  })

  it('passes 64 authenticated streams in a turn, and none that was reset meanwhile', async () => {
    const gate = new Gate()
    const connection = newConnection()
    connection.markAuthenticated()
    const streams = Array.from({ length: 100 }, () => gate.open(connection))
    expect(gate.passed).toEqual(streams.slice(0, 64))
    streams[70]?.end()
    await turn()
    expect(gate.passed).toEqual(streams.filter((_, index) => index !== 70))
  })

  it('resets a stream of a session that was not admitted', () => {
    const gate = new Gate()
    const stream = new FakeStream(newSession())
    gate.http2Server.emit('stream', stream, {})
    expect(stream.code).toBe(constants.NGHTTP2_REFUSED_STREAM)
    expect(gate.passed).toEqual([])
  })

  it.each<{
    readonly what: string
    readonly limits: AdmissionLimits
    readonly refused: (gate: Gate) => FakeStream
  }>([
    {
      what: 'headers',
      limits: { maxHeaderBytes: 100 },
      refused: (gate) => gate.open(newConnection(), { 'x-a': 'y'.repeat(98) }),
    },
    {
      what: 'headers',
      limits: { maxHeaderBytes: 100 },
      refused: (gate) => gate.open(newConnection(), { 'set-cookie': ['y'.repeat(60), 'z'.repeat(60)] }),
    },
    {
      what: 'streams',
      limits: { maxUnauthenticatedStreams: 2 },
      refused: (gate) => {
        const connection = newConnection()
        gate.open(connection)
        gate.open(connection)
        return gate.open(connection)
      },
    },
    {
      what: 'streams',
      limits: { maxUnauthenticatedStreams: 1, maxStreams: 2 },
      refused: (gate) => {
        const connection = newConnection()
        connection.markAuthenticated()
        gate.open(connection)
        gate.open(connection)
        return gate.open(connection)
      },
    },
    {
      what: 'calls',
      limits: { maxUnauthenticatedCallsPerSource: 1 },
      refused: (gate) => {
        const source = newSource()
        const first = newConnection('', source)
        gate.open(first)
        for (const call of first.calls) call.begin()
        return gate.open(newConnection('', source))
      },
    },
    {
      what: 'evicted',
      limits: { maxUnauthenticatedCallsPerSource: 1 },
      refused: (gate) => {
        const source = newSource()
        const oldest = gate.open(newConnection('', source))
        expect(gate.open(newConnection('', source)).headersSent).toBe(false)
        return oldest
      },
    },
  ])('refuses for $what with RESOURCE_EXHAUSTED, counts and logs it', ({ what, limits, refused }) => {
    const gate = new Gate(limits)
    const stream = refused(gate)
    expect(stream.sentHeaders).toMatchObject(exhausted)
    expect(stream.code).toBe(constants.NGHTTP2_NO_ERROR)
    expect(gate.parts.counted).toEqual([{ metric: 'grpc_calls_refused', reason: what }])
    expect(gate.parts.log).toEqual([expect.objectContaining({ level: 'warn', reason: what })])
  })

  it('logs a reason once per connection as a warning, and counts it each time', () => {
    const gate = new Gate({ maxHeaderBytes: 1 })
    const connection = newConnection()
    for (let count = 0; count < 3; count++) gate.open(connection, { 'x-a': 'yy' })
    gate.open(newConnection(), { 'x-a': 'yy' })
    expect(gate.parts.log.map(({ level }) => level)).toEqual(['warn', 'debug', 'debug', 'warn'])
    expect(gate.parts.counted).toHaveLength(4)
  })

  it('frees the place of a stream that closes', () => {
    const gate = new Gate({ maxUnauthenticatedStreams: 1 })
    const connection = newConnection()
    gate.open(connection).end()
    expect(gate.open(connection).headersSent).toBe(false)
    expect(connection.calls.size).toBe(1)
  })

  it('ends a request that is not complete in time, and the connection of a stranger with it', () => {
    const gate = new Gate({ requestTimeoutMs: 5_000 })
    const connection = newConnection()
    let ended = 0
    connection.endSoon = () => ended++
    const stream = gate.open(connection)
    gate.parts.clock.advance(4_999)
    expect(stream.closed).toBe(false)
    gate.parts.clock.advance(1)
    expect(stream.sentHeaders).toMatchObject({ 'grpc-status': 4 })
    expect(ended).toBe(1)
    expect(gate.parts.reasons).toEqual(['timeout'])
    expect(connection.calls.size).toBe(0)
  })

  it('does not end the connection of an authenticated caller for one slow request', () => {
    const gate = new Gate()
    const connection = newConnection()
    let ended = 0
    connection.endSoon = () => ended++
    connection.markAuthenticated()
    const stream = gate.open(connection)
    gate.parts.clock.advance(5_000)
    expect(stream.sentHeaders).toMatchObject({ 'grpc-status': 4 })
    expect(ended).toBe(0)
  })

  it.each(['complete', 'closed'] as const)('has no timer left for a request that is %s', (how) => {
    const gate = new Gate()
    const connection = newConnection()
    const stream = gate.open(connection)
    if (how === 'closed') stream.end()
    else for (const call of connection.calls) call.begin()
    expect(gate.parts.clock.pending).toBe(0)
  })

  it('answers nothing where grpc-js has answered already', () => {
    const gate = new Gate()
    const stream = gate.open(newConnection())
    stream.respond({ 'grpc-status': 0 })
    gate.parts.clock.advance(5_000)
    expect(stream.sentHeaders).toEqual({ 'grpc-status': 0 })
    expect(stream.closed).toBe(true)
  })

  it('passes 64 streams of strangers in one turn of the event loop, whatever their connections', async () => {
    const gate = new Gate()
    const streams = Array.from({ length: 150 }, () => gate.open(newConnection()))
    expect(gate.passed).toEqual(streams.slice(0, 64))
    await turn()
    expect(gate.passed).toEqual(streams.slice(0, 128))
    await turn()
    expect(gate.passed).toEqual(streams)
  })

  it('does not let an authenticated caller wait behind strangers', () => {
    const gate = new Gate()
    for (let count = 0; count < 100; count++) gate.open(newConnection())
    const connection = newConnection()
    connection.markAuthenticated()
    expect(gate.open(connection)).toBe(gate.passed.at(-1))
  })

  it('does not pass a stream that was closed in line', async () => {
    const gate = new Gate()
    const streams = Array.from({ length: 70 }, () => gate.open(newConnection()))
    streams[65]?.end()
    await turn()
    expect(gate.passed).toEqual(streams.filter((_, index) => index !== 65))
  })

  it.each([
    [
      { 'grpc-status': '12', ':status': 200 },
      { reason: 'grpc', status: '12' },
    ],
    [{ ':status': 415 }, { reason: 'http', status: '415' }],
  ])('counts what grpc-js answered itself: %j', (sent, counted) => {
    const gate = new Gate()
    const connection = newConnection()
    for (let count = 0; count < 2; count++) {
      const stream = gate.open(connection)
      stream.sentHeaders = sent
      stream.end()
    }
    expect(gate.parts.counted).toEqual(Array(2).fill({ metric: 'grpc_calls_refused', ...counted }))
    expect(gate.parts.log.map(({ level }) => level)).toEqual(['warn', 'debug'])
  })

  describe('a connection whose streams come to nothing', () => {
    function wasteful(waste: (gate: Gate, connection: Connection) => void, limits: AdmissionLimits = {}) {
      const gate = new Gate(limits)
      const connection = newConnection()
      gate.open(connection).end()
      return { gate, connection, waste: () => waste(gate, connection) }
    }

    it.each<[what: string, waste: (gate: Gate, connection: Connection) => void, limits?: AdmissionLimits]>([
      ['are reset', (gate, connection) => gate.open(connection).end()],
      [
        'have large headers',
        (gate, connection) => void gate.open(connection, { a: 'b' }),
        { maxHeaderBytes: 1 },
      ],
    ])('is closed at the 256th: they %s', (_what, waste, limits) => {
      const one = wasteful(waste, limits)
      for (let count = 1; count < 255; count++) one.waste()
      expect(one.connection.socket.destroyed).toBe(false)
      one.waste()
      one.waste()
      expect(one.connection.socket.destroyed).toBe(true)
      expect(one.gate.parts.reasons.filter((reason) => reason === 'wasted streams')).toHaveLength(1)
      expect(one.gate.parts.log).toContainEqual(
        expect.objectContaining({ level: 'warn', reason: 'wasted streams' }),
      )
    })

    it('is closed at the 512th in ten seconds once it is authenticated', () => {
      const one = wasteful((gate, connection) => gate.open(connection).end())
      one.connection.markAuthenticated()
      one.gate.parts.clock.advance(10_001)
      for (let rounds = 0; rounds < 3; rounds++) {
        for (let count = 0; count < 511; count++) one.waste()
        expect(one.connection.socket.destroyed).toBe(false)
        one.gate.parts.clock.advance(10_001)
      }
      for (let count = 0; count < 512; count++) one.waste()
      expect(one.connection.socket.destroyed).toBe(true)
    })

    it('stays open where the calls of its source were too many', () => {
      const one = wasteful((gate, connection) => void gate.open(connection), {
        maxUnauthenticatedCallsPerSource: 1,
      })
      one.connection.source.strangerCalls = 1
      for (let count = 0; count < 1_000; count++) one.waste()
      expect(one.connection.socket.destroyed).toBe(false)
    })
  })

  it('survives the error of a stream that nobody else listens to', () => {
    const gate = new Gate({ maxHeaderBytes: 1 })
    const stream = gate.open(newConnection(), { 'x-a': 'yy' })
    expect(() => stream.emit('error', new Error('reset'))).not.toThrow()
  })
})
