// Connections that an application makes with our options: they are registered, and a revocation closes them.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import * as https from 'node:https'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { ConnectionOptions, PeerCertificate, TLSSocket, TlsOptions } from 'node:tls'
import { Agent as UndiciAgent, request } from 'undici'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTlsIdentity, peerOf, tlsClientOptions } from '../../../../src/adapters/tls/index.ts'
import { silentLogger } from '../../../../src/runtime/internal.ts'
import { Certificate } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { openWorld, peerId, rawHttp2Server, rawServer, serialOf, withoutRoot } from './door-fixtures.ts'
import type { Credentials, RawServer, World } from './door-fixtures.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

async function serve(options: TlsOptions = {}, start = rawServer): Promise<[RawServer, Credentials]> {
  const credentials = await world.credentialsOf(peerId)
  const raw = await start(credentials, options)
  onTestFinished(() => void raw.server.close())
  return [raw, credentials]
}

const options = (): ConnectionOptions => tlsClientOptions(world.identity, { id: peerId })

/** The same octets, over a stream of which Node knows nothing. */
function streamOf(port: number): Duplex {
  const tcp = connectTcp(port, '127.0.0.1')
  const stream = new Duplex({
    read: () => tcp.resume(),
    write: (octets, _encoding, done) => void tcp.write(octets as Buffer, done),
    destroy: (error, done) => {
      tcp.destroy()
      done(error)
    },
  })
  tcp.on('data', (octets) => stream.push(octets))
  tcp.on('close', () => stream.destroy())
  return stream
}

async function connected(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect(options)
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return socket
}

/** Opens a connection that stays open. */
const ways: readonly [string, (port: number) => Promise<unknown>][] = [
  ['tls.connect', (port) => connected({ host: '127.0.0.1', port, ...options() })],
  ['tls.connect to a host name', (port) => connected({ host: 'localhost', port, ...options() })],
  ['tls.connect over a socket', (port) => connected({ socket: connectTcp(port, '127.0.0.1'), ...options() })],
  ['tls.connect over a stream', (port) => connected({ socket: streamOf(port), ...options() })],
  [
    'https.request',
    async (port) => {
      const agent = new https.Agent({ keepAlive: true })
      onTestFinished(() => agent.destroy())
      const [response] = (await once(
        https.get({ host: '127.0.0.1', port, agent, ...options() }),
        'response',
      )) as [NodeJS.ReadableStream]
      await once(response.resume(), 'end')
    },
  ],
  [
    'an agent of https',
    async (port) => {
      const agent = new https.Agent({ keepAlive: true, ...options() })
      onTestFinished(() => agent.destroy())
      const [response] = (await once(https.get({ host: '127.0.0.1', port, agent }), 'response')) as [
        NodeJS.ReadableStream,
      ]
      await once(response.resume(), 'end')
    },
  ],
  [
    'http2.connect',
    async (port) => {
      const session = connectHttp2(`https://127.0.0.1:${port}`, options())
      session.on('error', () => undefined)
      await once(session, 'connect')
      expect(peerOf(session.socket)?.id.toString()).toBe(peerId)
    },
  ],
  [
    'undici',
    async (port) => {
      const dispatcher = new UndiciAgent({ connect: options() as never })
      onTestFinished(() => dispatcher.destroy())
      const { body } = await request(`https://127.0.0.1:${port}`, { dispatcher })
      await body.text()
    },
  ],
]

test.each(ways)('a revocation closes the connection of %s', async (name, open) => {
  const { connections } = world.identity
  const [raw, credentials] = await serve({}, name === 'http2.connect' ? rawHttp2Server : rawServer)
  await open(raw.port)
  expect([...connections].map(({ peer }) => peer.id.toString())).toEqual([peerId])
  expect(world.identity.recheck()).toBe(0)
  world.revoked.add(serialOf(credentials))
  expect(world.identity.recheck()).toBe(1)
  await expect.poll(() => connections.size).toBe(0)
  await expect.poll(() => raw.open).toBe(0)
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a server of %s is registered once, before anything is sent',
  async (maxVersion) => {
    // The client has no key share for P-384: TLS 1.3 begins again.
    const [raw] = await serve(maxVersion === 'TLSv1.3' ? { ecdhCurve: 'P-384' } : { maxVersion })
    const socket = connect({ host: '127.0.0.1', port: raw.port, ...options() })
    await once(socket, 'secureConnect')
    expect(raw.received).toBe('')
    expect([...world.identity.connections].map((one) => one.socket)).toEqual([socket])
    expect(peerOf(socket)?.id.toString()).toBe(peerId)
    expect(socket.authorized).toBe(true)
    socket.destroy()
    await once(socket, 'close')
    expect(world.identity.connections.size).toBe(0)
  },
)

test('a root that is taken away closes the connection', async () => {
  const told = await openWorld({ tells: true })
  const raw = await rawServer(await told.credentialsOf(peerId))
  onTestFinished(async () => {
    raw.server.close()
    await told.identity[Symbol.asyncDispose]()
    await told.source[Symbol.asyncDispose]()
  })
  const socket = await connected({
    ...{ host: '127.0.0.1', port: raw.port },
    ...tlsClientOptions(told.identity, { id: peerId }),
  })
  await withoutRoot(told, async () => {
    await expect.poll(() => told.identity.connections.size).toBe(0)
    expect(socket.destroyed).toBe(true)
  })
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  '%s: a session that the application resumes is refused',
  async (version) => {
    const [raw] = await serve({ maxVersion: version })
    const given = { host: '127.0.0.1', port: raw.port, ...options() }
    const first = connect(given)
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    const second = connect({ ...given, session })
    second.write('secret')
    await expect(once(second, 'secureConnect')).rejects.toThrow(code('ERR_TLS_PEER'))
    expect(raw.received).toBe('')
  },
)

test('a client that offers TLS 1.2 alone is verified; the log says that it is not registered', async () => {
  const lines: unknown[] = []
  const logger = { ...silentLogger, warn: (fields: unknown) => void lines.push(fields) }
  await using identity = createTlsIdentity({ source: world.source, logger })
  const old = { host: '127.0.0.1', maxVersion: 'TLSv1.2' } as const
  const given = tlsClientOptions(identity, { id: peerId })
  const [raw] = await serve()
  const socket = await connected({ ...old, ...given, port: raw.port })
  expect(identity.connections.size).toBe(0)
  expect(lines).toEqual([{ host: '127.0.0.1', peer: peerId }])
  socket.destroy()

  const other = await rawServer(await world.credentialsOf('spiffe://example.org/other'))
  onTestFinished(() => void other.server.close())
  const right = await connected({ host: '127.0.0.1', ...given, port: raw.port })
  const wrong = connect({ ...old, ...given, port: other.port })
  await expect(once(wrong, 'secureConnect')).rejects.toThrow(code('ERR_TLS_PEER'))
  right.destroy()
})

test('what OpenSSL refuses is not registered, and decides for no other connection', async () => {
  const [raw] = await serve()
  const given = { ...options(), ca: [] }
  const socket = connect({ host: '127.0.0.1', port: raw.port, ...given })
  await expect(once(socket, 'secureConnect')).rejects.toThrow(code('UNABLE_TO_VERIFY_LEAF_SIGNATURE'))
  await expect.poll(() => world.identity.connections.size).toBe(0)
  const { cert } = await world.credentialsOf('spiffe://example.org/other')
  const shown = { raw: Certificate.listFromPem(cert!)[0]!.der } as PeerCertificate
  expect(given.checkServerIdentity?.('server', shown)).toEqual(code('ERR_TLS_PEER'))
})
