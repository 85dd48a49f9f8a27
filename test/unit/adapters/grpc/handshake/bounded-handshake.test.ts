// The stream under TLS of an accepted connection: its limit, and that it loses and keeps nothing.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { BoundedHandshake } from '../../../../../src/adapters/grpc/handshake/index.ts'
import { testPki, tlsCredential } from '../../../../support/pki.ts'

const own = await tlsCredential(await testPki())
const secureContext = createSecureContext({ cert: own.certificateChain, key: own.privateKey })

const opened = new Set<{ destroy(): void }>()
afterEach(() => {
  for (const one of opened) one.destroy()
  opened.clear()
})

interface Pair {
  readonly client: TLSSocket
  /** The client's socket below TLS. */
  readonly raw: Socket
  readonly server: TLSSocket
  /** The server's socket below TLS. */
  readonly below: Socket
  readonly exceeded: ReturnType<typeof vi.fn<(octets: number) => void>>
}

/** A handshake that begins. `transport`: what the client has below TLS. */
async function pair(maxOctets: number, transport = (raw: Socket): Duplex => raw): Promise<Pair> {
  const listener = createServer({ pauseOnConnect: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const raw = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const [[below]] = await Promise.all([accepted, once(raw, 'connect')])
  listener.close()
  const exceeded = vi.fn((_octets: number) => void below.destroy())
  let isSecure = false
  const stream = new BoundedHandshake(below, { maxOctets, isSecure: () => isSecure, exceeded })
  const server = new TLSSocket(stream as unknown as Socket, { isServer: true, secureContext })
  server.once('secure', () => (isSecure = true))
  const client = connectTls({ socket: transport(raw), rejectUnauthorized: false })
  for (const one of [client, server, below, raw]) {
    one.on('error', () => undefined)
    opened.add(one)
  }
  return { client, raw, server, below, exceeded }
}

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
    const { client, server, below, exceeded } = await pair(64)
    await Promise.all([closed(below), closed(server), closed(client)])
    expect(exceeded.mock.calls).toEqual([[below.bytesRead]])
    expect(below.bytesWritten).toBe(0) // of its ClientHello, OpenSSL has seen the beginning alone
  })

  it('does not count what follows the handshake in the segment of its end', async () => {
    const sent = randomBytes(40_000)
    const { client, server, exceeded } = await pair(4096, inTwoSegments)
    client.once('secureConnect', () => client.end(sent))
    expect(await digestOf(server)).toBe(await digestOf([sent]))
    expect(exceeded).not.toHaveBeenCalled()
  })

  it('keeps one write of TLS for a peer that does not read, and loses nothing', async () => {
    const { client, server, below } = await pair(4096)
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
    const { client, server, below } = await pair(4096)
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
    const { client, raw, server, below } = await pair(4096)
    await once(client, 'secureConnect')
    const destroyed = Promise.all([closed(server), closed(below)])
    raw.resetAndDestroy()
    await destroyed
    expect(below.destroyed).toBe(true)
  })
})
