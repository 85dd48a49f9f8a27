// How many connections there may be, of whom, and which gives way.

import { describe, expect, it } from 'vitest'
import { Connections } from '../../../../../src/adapters/grpc/server/connections.ts'
import type { Connection } from '../../../../../src/adapters/grpc/server/connection.ts'
import type { AdmissionLimits } from '../../../../../src/adapters/grpc/server/index.ts'
import { FakeSocket, listenerParts } from '../../../../support/listener.ts'

interface Opened {
  readonly connections: Connections
  readonly told: ReturnType<typeof listenerParts>
  readonly accept: (address?: string) => {
    readonly socket: FakeSocket
    readonly connection: Connection | undefined
  }
}

function open(limits: AdmissionLimits = {}): Opened {
  const told = listenerParts(limits)
  const connections = new Connections(told.limits, told.logger, told.metrics, told.clock)
  const accept: Opened['accept'] = (address = '192.0.2.1') => {
    const socket = new FakeSocket(address)
    return { socket, connection: connections.accept(socket.socket, false) }
  }
  return { connections, told, accept }
}

describe('Connections', () => {
  it('counts a connection from its accept to its close', () => {
    const { connections, accept } = open()
    const { socket } = accept()
    expect(connections.size).toBe(1)
    socket.destroy()
    expect(connections.size).toBe(0)
  })

  it('of one source: the oldest stranger gives way, and it is counted and logged', () => {
    const { told, accept } = open({ maxConnectionsPerSource: 2 })
    const [first, second, other, third] = [accept(), accept(), accept('192.0.2.2'), accept()]
    expect([first, second, other, third].map(({ socket }) => socket.destroyed)).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect(told.reasons).toEqual(['evicted'])
    expect(told.log).toContainEqual(expect.objectContaining({ level: 'warn', source: '192.0.2.1' }))
  })

  it('with an unfinished handshake are closed, counted and logged', () => {
    const { connections, told, accept } = open()
    const { socket } = accept()
    connections.refuseUnfinished(socket.socket)
    expect(socket.destroyed).toBe(true)
    expect(told.reasons).toEqual(['unfinished'])
    expect(told.log).toEqual([expect.objectContaining({ level: 'warn', reason: 'unfinished' })])
  })

  it('are logged once in ten seconds, with the number of those between, and all are counted', () => {
    const { told, accept } = open({ maxConnectionsPerSource: 2 })
    for (let i = 0; i < 1002; i++) accept()
    expect(told.reasons).toHaveLength(1000)
    expect(told.log).toEqual([expect.objectContaining({ source: '192.0.2.1', limit: 2 })])
    told.clock.advance(10_000)
    accept()
    expect(told.log).toHaveLength(2)
    expect(told.log[1]).toMatchObject({ level: 'warn', unlogged: 999 })
  })

  it.each([
    ['2001:db8::1', '2001:db8::2'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('count %s and %s as one source', (one, same) => {
    const { accept } = open({ maxConnectionsPerSource: 1 })
    const first = accept(one)
    accept(same)
    expect(first.socket.destroyed).toBe(true)
  })

  it('of one source that are all authenticated leave no room: the new one is refused', () => {
    const { connections, told, accept } = open({ maxConnectionsPerSource: 1 })
    const first = accept()
    first.connection?.markAuthenticated()
    const second = accept()
    expect(second.connection).toBeUndefined()
    expect([first.socket.destroyed, second.socket.destroyed]).toEqual([false, true])
    expect(told.counted).toEqual([{ metric: 'grpc_connections_refused', reason: 'source' }])
    expect(told.log).toEqual([expect.objectContaining({ level: 'warn', reason: 'source', limit: 1 })])
    expect(connections.size).toBe(1)
  })

  it('of all sources: a stranger of the source with most strangers gives way', () => {
    const { accept } = open({ maxConnections: 3 })
    const [quiet, loud, louder] = [accept('192.0.2.1'), accept('192.0.2.2'), accept('192.0.2.2')]
    const another = accept('192.0.2.3')
    expect([quiet, loud, louder, another].map(({ socket }) => socket.destroyed)).toEqual([
      false,
      true,
      false,
      false,
    ])
  })

  it('that are all authenticated leave no room for another source either', () => {
    const { told, accept } = open({ maxConnections: 1 })
    accept().connection?.markAuthenticated()
    expect(accept('192.0.2.2').connection).toBeUndefined()
    expect(told.reasons).toEqual(['connections'])
  })

  it('refuse a socket without a remote address: it was reset, and Node would never close it', () => {
    const { connections, told } = open()
    const socket = new FakeSocket()
    socket.remoteAddress = undefined
    expect(connections.accept(socket.socket, false)).toBeUndefined()
    expect(socket.destroyed).toBe(true)
    expect(told.reasons).toEqual(['reset'])
    expect(told.log).toEqual([expect.objectContaining({ level: 'debug' })])
    expect(connections.size).toBe(0)
  })

  it('take a socket without a remote address from a Unix socket', () => {
    const { connections } = open()
    const socket = new FakeSocket()
    socket.remoteAddress = undefined
    expect(connections.accept(socket.socket, true)?.source.address).toBe('local')
  })

  it('forget a source whose last connection has closed', () => {
    const { connections, accept } = open()
    const first = accept()
    const { source } = first.connection as Connection
    first.socket.destroy()
    expect(accept().connection?.source).not.toBe(source)
    expect(connections.size).toBe(1)
  })

  it('keep a source while work of its strangers goes on', () => {
    const { accept } = open()
    const first = accept()
    const { source } = first.connection as Connection
    source.strangerCalls = 1
    first.socket.destroy()
    expect(accept().connection?.source).toBe(source)
  })

  it('stop the timer of a connection that closes', () => {
    const { accept } = open()
    const { socket, connection } = accept()
    let stopped = 0
    connection?.setTimer(() => stopped++)
    socket.destroy()
    expect(stopped).toBe(1)
  })

  it('are closed all at once', () => {
    const { connections, accept } = open()
    const all = [accept(), accept(), accept('2001:db8::1')]
    connections.destroyAll()
    expect(all.every(({ socket }) => socket.destroyed)).toBe(true)
    expect(connections.size).toBe(0)
  })
})
