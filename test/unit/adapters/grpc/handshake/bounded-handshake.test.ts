// The stream under TLS of an accepted connection: its limit, and that it loses and keeps nothing.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, expect, it, vi } from 'vitest'
import { BoundedHandshake } from '../../../../../src/adapters/grpc/handshake/bounded-handshake.ts'
import { TlsPairs } from '../../../../support/bounded-tls.ts'

const pairs = await TlsPairs.start()

/** Sends the first flight at once, and everything after it in one write at its end. */
function inTwoSegments(raw: Socket): Duplex {
  const later: Buffer[] = []
  const stream = new Duplex({
    read: () => undefined,
    write: (octets: Buffer, _encoding, written) => {
      if (raw.bytesWritten === 0) raw.write(octets)
      else later.push(octets)
      written()
    },
    final: (done) => {
      raw.end(Buffer.concat(later))
      done()
    },
  })
  raw.on('data', (octets) => stream.push(octets))
  return stream
}

async function digestOf(octets: AsyncIterable<Buffer> | readonly Buffer[]): Promise<string> {
  const digest = createHash('sha256')
  for await (const part of octets) digest.update(part)
  return digest.digest('hex')
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise<unknown>((resolve) => (socket.closed ? resolve(undefined) : socket.once('close', resolve)))

describe('BoundedHandshake', () => {
  it('passes on no octet above the limit, and closes what is above it', async () => {
    const { client, server, below, exceeded } = await pairs.open(64)
    await Promise.all([closed(below), closed(server), closed(client)])
    expect(exceeded.mock.calls).toEqual([[below.bytesRead]])
    expect(below.bytesWritten).toBe(0) // of its ClientHello, OpenSSL has seen the beginning alone
  })

  it('passes on a record in a microtask of its own, so that none follows a failure', async () => {
    const socket = new Socket()
    const stream = new BoundedHandshake(socket, {
      peer: 'client',
      maxOctets: 4096,
      exceeded: vi.fn(),
      refused: vi.fn(),
    })
    const record = Buffer.of(22, 3, 3, 0, 1, 0)
    const received: Buffer[] = []
    let isFree = true
    stream.on('data', (octets) => {
      expect(isFree).toBe(true)
      received.push(octets)
      isFree = false
      queueMicrotask(() => (isFree = true))
    })
    socket.emit('data', Buffer.concat([record, record, record.subarray(0, 5)]))
    socket.emit('data', Buffer.concat([record.subarray(5), record]))
    await new Promise(setImmediate)
    expect(received).toEqual([record, record, record, record])
  })

  it('passes on one chain of all connections in a turn of the event loop', async () => {
    await new Promise(setImmediate) // chains of other tests
    // A Certificate message of TLS 1.2 without certificates (RFC 5246 §7.4.2).
    const chain = Buffer.of(22, 3, 3, 0, 7, 11, 0, 0, 3, 0, 0, 0)
    const received: number[] = []
    for (let connection = 0; connection < 3; connection++) {
      const socket = new Socket()
      const stream = new BoundedHandshake(socket, {
        ...{ peer: 'client', maxOctets: 4096, exceeded: vi.fn(), refused: vi.fn() },
      })
      stream.on('data', () => received.push(connection))
      socket.emit('data', chain)
    }
    for (const passed of [[0], [0, 1], [0, 1, 2]]) {
      expect(received).toEqual(passed)
      await new Promise(setImmediate)
    }
  })

  it('passes on 16 KiB of a connection in a turn, in order, and reads no more meanwhile', async () => {
    const socket = new Socket()
    const [pause, resume] = [vi.spyOn(socket, 'pause'), vi.spyOn(socket, 'resume').mockReturnThis()]
    const stream = new BoundedHandshake(socket, {
      peer: 'client',
      maxOctets: 4096,
      exceeded: vi.fn(),
      refused: vi.fn(),
    })
    const received: Buffer[] = []
    const ended = vi.fn(() => received.length)
    stream.on('data', (octets) => received.push(octets)).once('end', ended)
    stream.secured()
    stream.resume()
    const sent = randomBytes(50_000)
    socket.emit('data', sent.subarray(0, 40_000))
    expect(received.map(({ length }) => length)).toEqual([16_384])
    expect(pause).toHaveBeenCalledTimes(1)
    // TLS asks for more, and the last octets and the end are there already: they come behind the rest.
    resume.mockClear()
    stream.resume()
    socket.emit('data', sent.subarray(40_000))
    socket.emit('end')
    expect(resume).not.toHaveBeenCalled()
    expect(ended).not.toHaveBeenCalled()
    await new Promise(setImmediate)
    expect(received.map(({ length }) => length)).toEqual([16_384, 16_384])
    while (ended.mock.calls.length === 0) await new Promise(setImmediate)
    expect(ended).toHaveReturnedWith(4)
    expect(Buffer.concat(received)).toEqual(sent)
    expect(resume).toHaveBeenCalled()
    socket.destroy()
  })

  it('passes on nothing of a destroyed connection, and reads nothing while TLS is paused', async () => {
    const socket = new Socket()
    const resume = vi.spyOn(socket, 'resume').mockReturnThis()
    const stream = new BoundedHandshake(socket, {
      peer: 'client',
      maxOctets: 4096,
      exceeded: vi.fn(),
      refused: vi.fn(),
    })
    const received: Buffer[] = []
    stream.on('data', (octets) => received.push(octets))
    stream.secured()
    stream.pause()
    resume.mockClear()
    socket.emit('data', randomBytes(20_000))
    await new Promise(setImmediate)
    expect(received.map(({ length }) => length)).toEqual([16_384, 3_616])
    expect(resume).not.toHaveBeenCalled()
    socket.emit('data', randomBytes(60_000))
    socket.destroy()
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    expect(received).toHaveLength(3)
  })

  it('does not count what follows the handshake in the segment of its end', async () => {
    const sent = randomBytes(40_000)
    const { client, server, exceeded } = await pairs.open(4096, { ecdhCurve: 'P-256' }, inTwoSegments)
    client.once('secureConnect', () => client.end(sent))
    expect(await digestOf(server)).toBe(await digestOf([sent]))
    expect(exceeded).not.toHaveBeenCalled()
  })

  it('keeps one write of TLS for a peer that does not read, and loses nothing', async () => {
    const { client, server, below } = await pairs.open(4096)
    const part = randomBytes(65_536)
    let [written, kept] = [0, 0]
    const write = async (): Promise<void> => {
      for (; written < 512; written++) {
        const isFree = server.write(part)
        kept = Math.max(kept, below.writableLength)
        if (!isFree) await once(server, 'drain')
      }
      server.end()
    }
    const all = write()
    let before = -1
    // Until the system takes no more.
    await expect.poll(() => before === (before = written) && written > 0).toBe(true)
    expect(await digestOf(client)).toBe(await digestOf(Array.from({ length: 512 }, () => part)))
    await all
    expect(kept).toBeLessThanOrEqual(2 * part.length)
  })

  it('sends what TLS has for a peer that has ended, and then closes', async () => {
    const { client, server, below } = await pairs.open(4096)
    await once(client, 'secureConnect')
    const answer = randomBytes(3_000_000)
    server.once('end', () => {
      server.write(answer)
      server.end(answer)
    })
    server.resume()
    client.end('question')
    expect(await digestOf(client)).toBe(await digestOf([answer, answer]))
    await Promise.all([closed(server), closed(below), closed(client)])
    expect(below.bytesWritten).toBeGreaterThan(2 * answer.length)
  })

  it('whose peer resets it closes TLS above it', async () => {
    const { client, raw, server, below } = await pairs.open(4096)
    await once(client, 'secureConnect')
    const destroyed = Promise.all([closed(server), closed(below)])
    raw.resetAndDestroy()
    await destroyed
    expect(below.destroyed).toBe(true)
  })
})
