// What a client can hold in memory: bodies that do not arrive, and responses that it does not read.

import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { RequestBodies } from '../../../../src/adapters/http/request-body.ts'
import { UnreadAnswers } from '../../../../src/adapters/http/unread-answers.ts'
import { FakeClock } from '../../../../src/testing/index.ts'

class FakeRequest extends EventEmitter {
  readonly headers: Record<string, string> = {}
  readonly done: string[] = []
  body: unknown
  pause(): void {
    this.done.push('pause')
  }
  destroy(): void {
    this.done.push('destroy')
  }
  get listeners4(): number {
    return ['data', 'end', 'error', 'close'].reduce((sum, event) => sum + this.listenerCount(event), 0)
  }
}

function bodies(limits: { readonly maxBytes?: number; readonly maxPending?: number } = {}) {
  const clock = new FakeClock()
  const all = new RequestBodies({ maxBytes: 8, timeoutMs: 1000, maxPending: 2, clock, ...limits })
  const begin = (request = new FakeRequest()) => ({
    request,
    body: all.read(request as unknown as IncomingMessage),
  })
  return { clock, begin }
}

describe('a body that is being read', () => {
  it('leaves no timer and no listener, and is not paused, when it is complete', async () => {
    const { clock, begin } = bodies()
    const { request, body } = begin()
    expect([request.listeners4, clock.pending]).toEqual([4, 1])
    request.emit('data', Uint8Array.of(1, 2))
    request.emit('data', Uint8Array.of(3))
    request.emit('end')
    expect(await body).toEqual({ octets: Uint8Array.of(1, 2, 3) })
    expect([request.listeners4, clock.pending, request.done]).toEqual([0, 0, []])
  })

  it.each<[string, (request: FakeRequest, clock: FakeClock) => void, number]>([
    ['that is too large', (request) => request.emit('data', new Uint8Array(9)), 413],
    ['that does not arrive in time', (_request, clock) => clock.advance(1000), 408],
    ['of a client that has gone', (request) => request.emit('close'), 400],
    ['of a connection with an error', (request) => request.emit('error', new Error('reset')), 400],
  ])('%s is not read further', async (_what, act, status) => {
    const { clock, begin } = bodies()
    const { request, body } = begin()
    act(request, clock)
    expect(await body).toMatchObject({ status })
    expect([request.listeners4, clock.pending, request.done]).toEqual([0, 0, ['pause']])
  })

  it('of more than 256 pieces ends its connection', () => {
    const { request } = bodies({ maxBytes: 1000 }).begin()
    for (let n = 0; n < 256; n++) request.emit('data', Uint8Array.of(1))
    expect(request.done).toEqual([])
    request.emit('data', Uint8Array.of(1))
    expect(request.done).toEqual(['destroy'])
  })

  it('of exactly the maximum is read, also in pieces that need more room', async () => {
    const request = new FakeRequest()
    request.headers['content-length'] = '1300'
    const { body } = bodies({ maxBytes: 1300 }).begin(request)
    for (const [value, length] of [
      [1, 500],
      [2, 500],
      [3, 300],
    ] as const)
      request.emit('data', new Uint8Array(length).fill(value))
    request.emit('end')
    const read = await body
    const octets = 'octets' in read ? [...read.octets] : []
    expect([octets.length, octets[499], octets[500], octets[999], octets[1299]]).toEqual([1300, 1, 2, 2, 3])
    request.body = new Uint8Array(1300)
    expect(await bodies({ maxBytes: 1300 }).begin(request).body).toHaveProperty('octets')
  })

  it('that declares too many octets is not read at all', async () => {
    const request = new FakeRequest()
    request.headers['content-length'] = '9'
    expect(await bodies().begin(request).body).toMatchObject({ status: 413 })
    expect(request.listeners4).toBe(0)
  })

  it('gives its place to a newer one, and a complete one takes no place', async () => {
    const { begin } = bodies()
    const complete = begin()
    complete.request.emit('end')
    const [first, second, third] = [begin(), begin(), begin()]
    expect(await first.body).toMatchObject({ status: 503 })
    expect([second, third].map(({ request }) => request.listeners4)).toEqual([4, 4])
  })

  it('that was parsed already is copied, and has the same limit', async () => {
    const parsed = Uint8Array.of(1, 2)
    const request = new FakeRequest()
    request.body = parsed
    const { begin } = bodies()
    const read = await begin(request).body
    parsed[0] = 9
    expect(read).toEqual({ octets: Uint8Array.of(1, 2) })
    request.body = new Uint8Array(9)
    expect(await begin(request).body).toMatchObject({ status: 413 })
  })
})

class FakeSocket extends EventEmitter {
  destroyed = false
  destroy(): void {
    this.destroyed = true
  }
}

describe('responses that are not read', () => {
  const make = () => {
    const unread = new UnreadAnswers(100)
    const send = (socket: FakeSocket, octets: number, writableEnded = false) => {
      const response = Object.assign(new EventEmitter(), { writableEnded })
      const request = { socket } as unknown as IncomingMessage
      unread.add(request, response as unknown as ServerResponse, octets)
      return response
    }
    return {
      send,
      sockets: Array.from({ length: 4 }, () => new FakeSocket()) as [
        FakeSocket,
        FakeSocket,
        FakeSocket,
        FakeSocket,
      ],
    }
  }

  it('end the oldest connections, only as many as the limit requires', () => {
    const { send, sockets } = make()
    for (const socket of sockets.slice(0, 3)) send(socket, 40)
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false, false, false])
    send(sockets[3], 20)
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false, false, false])
    send(sockets[3], 1)
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, false, false])
  })

  it('do not end the connection of the newest response, nor one whose responses were read', () => {
    const { send, sockets } = make()
    const [first, second] = sockets
    const read = send(first, 90)
    read.emit('close')
    send(second, 101)
    expect([first.destroyed, second.destroyed]).toEqual([false, false])
    send(first, 1)
    expect([first.destroyed, second.destroyed]).toEqual([false, true])
  })

  it('are not counted after their connection has ended', () => {
    const { send, sockets } = make()
    const [first, second, third, fourth] = sockets
    send(first, 60)
    const late = send(second, 30)
    second.destroy()
    second.emit('close')
    late.emit('close')
    send(third, 40)
    expect([first.destroyed, third.destroyed]).toEqual([false, false])
    send(fourth, 1)
    expect([first.destroyed, third.destroyed, fourth.destroyed]).toEqual([true, false, false])
  })

  it('are not counted for a connection that is already closed, or if the response is complete', () => {
    const { send, sockets } = make()
    const [closed, first, second] = sockets
    closed.destroy()
    send(closed, 1000)
    send(second, 1000, true)
    send(first, 100)
    send(second, 0)
    expect([first.destroyed, second.destroyed]).toEqual([false, false])
    expect(closed.listenerCount('close')).toBe(0)
  })

  it('of one connection add one listener to it', () => {
    const { send, sockets } = make()
    for (let n = 0; n < 20; n++) send(sockets[0], 1)
    expect(sockets[0].listenerCount('close')).toBe(1)
  })
})
