// TLS connections within this process whose server has the stream of a bounded handshake.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { afterEach, vi } from 'vitest'
import { BoundedHandshake } from '../../src/adapters/grpc/handshake/bounded-handshake.ts'
import type { HandshakeFault } from '../../src/adapters/grpc/handshake/index.ts'
import { testPki, tlsCredential } from './pki.ts'

/** Both ends of a connection. */
export interface TlsPair {
  readonly client: TLSSocket
  /** The client's socket below TLS. */
  readonly raw: Socket
  readonly server: TLSSocket
  /** The server's socket below TLS. */
  readonly below: Socket
  readonly exceeded: ReturnType<typeof vi.fn<(octets: number) => void>>
  readonly refused: ReturnType<typeof vi.fn<(fault: HandshakeFault) => void>>
}

/** Opens connections, and destroys them after each test. */
export class TlsPairs {
  readonly #secureContext: SecureContext
  readonly #opened = new Set<{ destroy(): void }>()

  private constructor(secureContext: SecureContext) {
    this.#secureContext = secureContext
    afterEach(() => {
      for (const one of this.#opened) one.destroy()
      this.#opened.clear()
    })
  }

  static async start(): Promise<TlsPairs> {
    const { certificateChain: cert, privateKey: key } = await tlsCredential(await testPki())
    return new TlsPairs(createSecureContext({ cert, key, ecdhCurve: 'P-256:P-384:P-521' }))
  }

  /** A handshake that begins. `transport`: what the client has below TLS. */
  async open(
    maxOctets: number,
    options: ConnectionOptions = {},
    transport = (raw: Socket): Duplex => raw,
  ): Promise<TlsPair> {
    const { raw, below } = await connectedPair()
    const exceeded = vi.fn((_octets: number) => void below.destroy())
    const refused = vi.fn((_fault: HandshakeFault) => void below.destroy())
    const stream = new BoundedHandshake(below, { peer: 'client', maxOctets, exceeded, refused })
    const server = new TLSSocket(stream as unknown as Socket, {
      ...{ isServer: true, secureContext: this.#secureContext },
      ...{ requestCert: true, rejectUnauthorized: false },
    })
    server.on('keylog', (line) => stream.keylog(line, server))
    server.once('secure', () => stream.secured())
    const client = connectTls({ socket: transport(raw), rejectUnauthorized: false, ...options })
    for (const one of [client, server, below, raw]) {
      one.on('error', () => undefined)
      this.#opened.add(one)
    }
    return { client, raw, server, below, exceeded, refused }
  }
}

/** The ends of a TCP connection within this process: the client's, and the server's, which is paused. */
export async function connectedPair(): Promise<{ readonly raw: Socket; readonly below: Socket }> {
  const listener = createServer({ pauseOnConnect: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const raw = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const [[below]] = await Promise.all([accepted, once(raw, 'connect')])
  listener.close()
  return { raw, below }
}
