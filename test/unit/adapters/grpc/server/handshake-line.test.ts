// Which handshake is started next, and what those of a source have cost.

import { afterEach, describe, expect, it, vi } from 'vitest'
import { HandshakeLine } from '../../../../../src/adapters/grpc/server/handshake-line.ts'
import type { Connection } from '../../../../../src/adapters/grpc/server/connection.ts'
import { FakeClock } from '../../../../../src/testing/index.ts'
import type { FakeSocket } from '../../../../support/listener.ts'
import { newConnection } from '../../../../support/listener.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const turns = async (count: number): Promise<void> => {
  for (let done = 0; done < count; done++) await turn()
}
const socketOf = (connection: Connection): FakeSocket => connection.socket as unknown as FakeSocket

afterEach(() => vi.restoreAllMocks())

/** The event loop was busy for so many milliseconds since the last mark. */
function busy(active: number): void {
  vi.spyOn(performance, 'eventLoopUtilization').mockReturnValue({ idle: 0, active, utilization: 1 })
}

class Line {
  readonly clock = new FakeClock()
  readonly refused: Connection[] = []
  readonly line = new HandshakeLine(this.clock, (connection) => {
    this.refused.push(connection)
    connection.socket.destroy()
  })
  readonly started: Connection[] = []

  /** @param answers The server sends its flight at once. */
  enter(address = '192.0.2.1', answers = false): Connection {
    const connection = newConnection(address)
    this.line.enter(connection, () => {
      this.started.push(connection)
      if (answers) socketOf(connection).bytesWritten = 1000
    })
    return connection
  }

  get addresses(): readonly string[] {
    return this.started.map(({ source }) => source.address)
  }
}

describe('HandshakeLine', () => {
  it('starts four in one turn of the event loop, and none at once', async () => {
    const line = new Line()
    for (let count = 0; count < 10; count++) line.enter()
    expect(line.started).toHaveLength(0)
    await turn()
    expect(line.started).toHaveLength(4)
    await turn()
    expect(line.started).toHaveLength(8)
    await turn()
    expect(line.started).toHaveLength(10)
  })

  it('does not start one whose socket was closed in line', async () => {
    const line = new Line()
    const gone = line.enter()
    gone.socket.destroy()
    line.line.ended(gone)
    const other = line.enter()
    await turns(2)
    expect(line.started).toEqual([other])
  })

  it('charges a handshake to its source, and the source with the least debt goes first', async () => {
    const line = new Line()
    const first = line.enter('192.0.2.1')
    await turn()
    busy(100)
    line.line.completed(first)
    for (let count = 0; count < 8; count++) line.enter('192.0.2.1')
    for (let count = 0; count < 4; count++) line.enter('192.0.2.2')
    await turn()
    expect(line.addresses.slice(1)).toEqual(Array(4).fill('192.0.2.2'))
    await turns(2)
    expect(line.addresses).toHaveLength(13)
  })

  it('lets a source with more than two seconds of debt wait, half of which time is paid', async () => {
    const line = new Line()
    const first = line.enter()
    await turn()
    busy(2_100)
    line.line.completed(first)
    const waiting = line.enter()
    await turns(3)
    expect(line.started).not.toContain(waiting)
    line.clock.advance(180)
    await turns(3)
    expect(line.started).not.toContain(waiting)
    line.clock.advance(60) // 240 ms pay 120 ms
    await turns(3)
    expect(line.started).toContain(waiting)
  })

  it('serves others meanwhile', async () => {
    const line = new Line()
    const first = line.enter()
    await turn()
    busy(60_000)
    line.line.completed(first)
    line.enter()
    const other = line.enter('192.0.2.2')
    await turns(3)
    expect(line.started).toEqual([first, other])
  })

  it('remembers debt when the connection is gone, and forgets it when it is paid', async () => {
    const line = new Line()
    const first = line.enter()
    await turn()
    busy(3_000)
    line.line.completed(first)
    first.socket.destroy()
    line.line.ended(first)
    expect(line.clock.pending).toBe(1)
    const again = line.enter()
    await turns(3)
    expect(line.started).not.toContain(again)
    line.clock.advance(2_020)
    await turns(3)
    expect(line.started).toContain(again)
    line.line.ended(again)
    line.clock.advance(10_000)
    expect(line.clock.pending).toBe(0)
  })

  it('keeps nothing of connections that are closed while their source has to wait', async () => {
    const line = new Line()
    const first = line.enter()
    await turn()
    busy(60_000)
    line.line.completed(first)
    first.socket.destroy()
    line.line.ended(first)
    const waiting = Array.from({ length: 100 }, () => line.enter())
    await turns(3)
    expect(line.clock.pending).toBe(2) // the pause, and the debt
    for (const one of waiting) {
      one.socket.destroy()
      line.line.ended(one)
    }
    await turns(3)
    line.clock.advance(100)
    expect(line.clock.pending).toBe(1)
    expect(line.started).toEqual([first])
  })

  it('does not charge work between handshakes', async () => {
    const line = new Line()
    const first = line.enter()
    await turn()
    const spy = vi.spyOn(performance, 'eventLoopUtilization')
    line.line.mark()
    const mark = spy.mock.results.at(-1)?.value as unknown
    line.line.completed(first)
    expect(spy).toHaveBeenCalledWith(mark)
  })

  it('closes the oldest of more than 64 whose ClientHello is not complete', async () => {
    const line = new Line()
    const all = Array.from({ length: 65 }, () => line.enter())
    await turns(20)
    expect(all.map((one) => socketOf(one).destroyed)).toEqual([true, ...Array<boolean>(64).fill(false)])
    expect(line.refused).toEqual([all[0]])
  })

  it('with 64 answered and unfinished waits a second, then closes the oldest', async () => {
    const line = new Line()
    const all = Array.from({ length: 64 }, () => line.enter('192.0.2.1', true))
    await turns(20)
    const next = line.enter('192.0.2.1', true)
    await turns(3)
    expect(line.started).not.toContain(next)
    const other = line.enter('192.0.2.2', true)
    await turns(3)
    expect(line.started).toContain(other)
    line.clock.advance(1_000)
    await turns(3)
    expect(line.started).toContain(next)
    expect(all.map((one) => socketOf(one).destroyed)).toEqual([true, ...Array<boolean>(63).fill(false)])
    expect(line.refused).toEqual([all[0]])
  })

  it('gives the place of an answered handshake back when its connection ends', async () => {
    const line = new Line()
    const all = Array.from({ length: 64 }, () => line.enter('192.0.2.1', true))
    await turns(20)
    line.line.ended(all[0] as Connection)
    const next = line.enter('192.0.2.1', true)
    await turns(3)
    expect(line.started).toContain(next)
    expect(all.some((one) => socketOf(one).destroyed)).toBe(false)
  })
})
