// The order of requests, by turns of the event loop.

import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { RequestLine } from '../../../../src/adapters/http/request-line.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface FakeSocket {
  readonly remoteAddress: string
  destroyed: boolean
  destroy: () => void
}

function socketOf(remoteAddress: string): FakeSocket {
  const socket = { remoteAddress, destroyed: false, destroy: () => void (socket.destroyed = true) }
  return socket
}

/** Enters as many requests of a connection; `begun` gets the name of each that begins. */
function enter(line: RequestLine, socket: FakeSocket, count: number, begun: string[], name = ''): void {
  for (let at = 0; at < count; at++) {
    const response = new EventEmitter() as unknown as ServerResponse
    const request = { socket, httpVersionMajor: 1 } as unknown as IncomingMessage
    line.enter(request, response, (source) => begun.push(`${source} ${name}`))
  }
}

describe('requests', () => {
  it('begin at once, sixteen in a turn, and one of each connection', async () => {
    const line = new RequestLine()
    const begun: string[] = []
    for (let count = 0; count < 20; count++) enter(line, socketOf('192.0.2.1'), 2, begun)
    expect(begun).toHaveLength(16)
    await turn()
    expect(begun).toHaveLength(32)
    await turn()
    expect(begun).toHaveLength(40)
    enter(line, socketOf('192.0.2.1'), 1, begun)
    expect(begun).toHaveLength(41)
  })

  it('of another source, and of another connection of the same one, wait for no flood', async () => {
    const line = new RequestLine()
    const begun: string[] = []
    for (let count = 0; count < 10; count++) enter(line, socketOf('192.0.2.1'), 16, begun, 'flood')
    for (let count = 0; count < 6; count++) enter(line, socketOf('192.0.2.1'), 1, begun, 'first')
    expect(begun).toHaveLength(16)
    enter(line, socketOf('192.0.2.1'), 1, begun, 'neighbour')
    enter(line, socketOf('192.0.2.2'), 1, begun, 'other')
    await turn()
    expect(begun.slice(16, 32).indexOf('192.0.2.2 other')).toBe(1)
    expect(begun.slice(16, 32).indexOf('192.0.2.1 neighbour')).toBe(11)
  })

  it('are counted by the /64 of an IPv6 address', () => {
    const begun: string[] = []
    enter(new RequestLine(), socketOf('2001:db8::1:2:3:4'), 1, begun)
    expect(begun).toEqual(['2001:db8:0:0::/64 '])
  })

  it('never begin when their connection was closed', async () => {
    const line = new RequestLine()
    const begun: string[] = []
    const [left, full, good] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(socketOf) as [
      FakeSocket,
      FakeSocket,
      FakeSocket,
    ]
    enter(line, left, 2, begun)
    enter(line, full, 17, begun)
    enter(line, good, 2, begun)
    left.destroy()
    expect(full.destroyed).toBe(true)
    await turn()
    expect(begun).toEqual(['192.0.2.1 ', '192.0.2.2 ', '192.0.2.3 ', '192.0.2.3 '])
  })

  it('close their connection after four unanswered ones where over 256 arrive in a turn', async () => {
    const line = new RequestLine()
    for (let count = 0; count < 16; count++) enter(line, socketOf('192.0.2.1'), 16, [])
    const socket = socketOf('192.0.2.1')
    enter(line, socket, 4, [])
    expect(socket.destroyed).toBe(false)
    enter(line, socket, 1, [])
    expect(socket.destroyed).toBe(true)
    await turn()
    const later = socketOf('192.0.2.1')
    enter(line, later, 16, [])
    expect(later.destroyed).toBe(false)
  })
})
