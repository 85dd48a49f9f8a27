// The times and limits of a connection, on a real port with a clock by hand.

import { once } from 'node:events'
import { connect as http2Connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { Socket, connect as tcp } from 'node:net'
import { connect as tls } from 'node:tls'
import * as grpcJs from '@grpc/grpc-js'
import { describe, expect, it, vi } from 'vitest'
import type { CertificateServerOptions } from '../../../../../src/adapters/grpc/certificate-service/index.ts'
import { HandshakeLine } from '../../../../../src/adapters/grpc/server/handshake-line.ts'
import { FakeClock } from '../../../../../src/testing/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../../../../src/keys/index.ts'
import { buildCertificate } from '../../../../../src/x509/index.ts'
import { callRaw, closedAfterEach, proto, startTestServer } from '../../../../support/certificate-server.ts'
import type { TestServer } from '../../../../support/certificate-server.ts'
import { deferred } from '../../../../support/deferred.ts'
import { Told } from '../../../../support/listener.ts'
import { callerOf, newRequest, testPki } from '../../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const request = proto.octets(1, (await newRequest()).request.toPem())
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

interface Listening extends TestServer {
  readonly clock: FakeClock
  readonly told: Told
}

async function start(options: Partial<CertificateServerOptions> = {}): Promise<Listening> {
  const clock = new FakeClock()
  const told = new Told()
  const running = await startTestServer(
    { clock, logger: told.logger, metrics: told.metrics, ...options },
    pki,
  )
  return { ...keep(running), clock, told }
}

async function plain({ server }: TestServer): Promise<Socket> {
  const socket = tcp(server.port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  await expect.poll(() => server.connections).toBe(1)
  return socket
}

async function shaken({ server }: TestServer, options: object = {}): Promise<Socket> {
  const socket = tls({
    host: '127.0.0.1',
    port: server.port,
    servername: 'localhost',
    ca: pki.root.toPem(),
    ALPNProtocols: ['h2'],
    ...options,
  })
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'secureConnect'), closed(socket)])
  return socket
}

async function session({ server }: TestServer): Promise<ClientHttp2Session> {
  const opened = http2Connect(`https://localhost:${server.port}`, { ca: pki.root.toPem() })
  opened.on('error', () => undefined)
  await once(opened, 'remoteSettings')
  return opened
}

const closed = (one: Socket | ClientHttp2Session): Promise<unknown> => {
  if ('resume' in one) one.resume()
  return one.destroyed ? Promise.resolve() : once(one, 'close').catch(() => undefined)
}

/** What the sessions of clients and servers have in common. */
function http2SessionPrototype(one: ClientHttp2Session): { settings(): void } {
  return Object.getPrototypeOf(Object.getPrototypeOf(one)) as { settings(): void }
}

describe('a connection', () => {
  it('that sends nothing is closed after firstOctetsTimeoutMs', async () => {
    const listening = await start({ firstOctetsTimeoutMs: 700 })
    const socket = await plain(listening)
    listening.clock.advance(699)
    expect(listening.server.connections).toBe(1)
    listening.clock.advance(1)
    await closed(socket)
    expect(listening.told.counted).toEqual([{ metric: 'grpc_connections_refused', reason: 'silent' }])
    await expect.poll(() => listening.server.connections).toBe(0)
    expect(listening.clock.pending).toBe(0)
  })

  it('without HTTP/2 SETTINGS is closed after firstOctetsTimeoutMs from its handshake on', async () => {
    const listening = await start({ firstOctetsTimeoutMs: 700 })
    const socket = await shaken(listening)
    await once(socket, 'data') // the SETTINGS of the server: HTTP/2 has begun
    socket.write(preface)
    listening.clock.advance(700)
    await closed(socket)
    expect(listening.told.reasons).toEqual(['no SETTINGS'])
  })

  it('without an authenticated call is closed after maxUnauthenticatedSeconds', async () => {
    const listening = await start({ maxUnauthenticatedSeconds: 7 })
    const opened = await session(listening)
    listening.clock.advance(6_999)
    expect(listening.server.connections).toBe(1)
    listening.clock.advance(1)
    await closed(opened)
    expect(listening.told.reasons).toEqual(['no authenticated call'])
  })

  it('with an authenticated call has no such limit, and more streams', async () => {
    const listening = await start({ maxUnauthenticatedSeconds: 7 })
    const opened = await session(listening)
    expect(opened.remoteSettings.maxConcurrentStreams).toBe(16)
    const stream = opened.request({
      ':method': 'POST',
      ':path': '/istio.v1.auth.IstioCertificateService/CreateCertificate',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.end(Buffer.concat([Buffer.from([0]), length(request), request]))
    await once(opened, 'remoteSettings')
    expect(opened.remoteSettings.maxConcurrentStreams).toBe(1_024)
    await once(stream.resume(), 'close')
    listening.clock.advance(100_000)
    expect(opened.destroyed).toBe(false)
    expect(listening.server.connections).toBe(1)
    opened.destroy()
  })

  it('with an authenticated call is closed when its session is destroyed without an event', async () => {
    const listening = await start({ keepaliveTimeoutSeconds: 7 })
    const opened = await session(listening)
    const settings = vi.spyOn(http2SessionPrototype(opened), 'settings')
    const stream = opened.request({
      ':method': 'POST',
      ':path': '/istio.v1.auth.IstioCertificateService/CreateCertificate',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.end(Buffer.concat([Buffer.from([0]), length(request), request]))
    await once(stream.resume(), 'close')
    // The server raises the number of streams on its session: that is how this test finds it.
    const [found] = settings.mock.contexts as [object]
    settings.mockRestore()
    listening.clock.advance(7_000)
    expect(opened.destroyed).toBe(false)
    Object.defineProperty(found, 'destroyed', { value: true })
    listening.clock.advance(7_000)
    listening.clock.advance(999)
    expect(listening.server.connections).toBe(1)
    listening.clock.advance(1)
    await closed(opened)
    await expect.poll(() => listening.server.connections).toBe(0)
  })

  it('with a call in authentication at the end of its time is closed after the call', async () => {
    const [begun, gate] = [deferred(), deferred()]
    const listening = await start({
      maxUnauthenticatedSeconds: 7,
      authenticator: {
        name: 'x',
        authenticate: async () => {
          begun.resolve()
          await gate.promise
          return callerOf()
        },
      },
    })
    const asking = callRaw(listening.server, pki.root, request)
    await begun.promise
    listening.clock.advance(7_000)
    gate.resolve()
    expect(await asking).toMatchObject({ code: 0 })
  })

  it('whose HTTP/2 session has ended by a malformed frame is closed within a second', async () => {
    const listening = await start()
    const socket = await shaken(listening)
    await once(socket, 'data')
    // A SETTINGS frame of five octets (RFC 9113 §6.5): Node ends the session and leaves the socket open.
    socket.write(Buffer.concat([preface, Buffer.from([0, 0, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]))
    await once(socket, 'data')
    const end = closed(socket)
    await expect.poll(() => listening.clock.advance(1_000) ?? listening.server.connections).toBe(0)
    await end
  })

  it('that does not answer a PING is closed: keepalive is on', { timeout: 8_000 }, async () => {
    const listening = await start({ keepaliveSeconds: 0.05, keepaliveTimeoutSeconds: 0.05 })
    const socket = await shaken(listening)
    socket.write(Buffer.concat([preface, emptySettings]))
    await closed(socket)
    await expect.poll(() => listening.server.connections).toBe(0)
  })

  it('of a stranger that is dead by a malformed frame is closed at the end of its time', async () => {
    const listening = await start()
    const socket = await shaken(listening)
    socket.write(Buffer.concat([preface, emptySettings]))
    await once(socket, 'data')
    // After the first SETTINGS, Node has no event for it. (An authenticated caller is closed by its
    // unanswered PING.)
    socket.end(Buffer.from([0, 0, 5, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    listening.clock.advance(15_000)
    await expect.poll(() => listening.server.connections).toBe(0)
  })

  it('without a stream is closed after maxIdleSeconds', { timeout: 8_000 }, async () => {
    const listening = await start({ maxIdleSeconds: 0.05 })
    const opened = await session(listening)
    await closed(opened)
    await expect.poll(() => listening.server.connections).toBe(0)
  })

  it('with a chain of more than ten certificates is reset, and the log says why', async () => {
    const listening = await start()
    const socket = await shaken(listening, await chainOf(11))
    await closed(socket)
    await expect
      .poll(() => listening.told.log)
      .toContainEqual(expect.objectContaining({ level: 'warn', code: 'ERR_CREDENTIAL_INVALID' }))
    await expect.poll(() => listening.server.connections).toBe(0)
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'whose handshake of %s is longer than maxHandshakeBytes is reset, charged, counted and logged',
    async (maxVersion) => {
      const charged = vi.spyOn(HandshakeLine.prototype, 'completed')
      const listening = await start({ maxHandshakeBytes: 2_048 })
      // Over TLS 1.3 the client's side has ended before its certificates arrive.
      await shaken(listening, { ...(await chainOf(9)), maxVersion }).then(closed, () => undefined)
      await expect.poll(() => listening.server.connections).toBe(0)
      await expect.poll(() => charged.mock.calls.length).toBe(1)
      charged.mockRestore()
      expect(listening.told.reasons).toEqual(['handshake'])
      const [warning] = listening.told.log.filter(({ level }) => level === 'warn')
      expect(warning).toMatchObject({ reason: 'handshake', limit: 2_048, peer: '127.0.0.1' })
      expect(warning?.['octets']).toBeGreaterThan(2_048)
    },
  )

  it('may send more than maxHandshakeBytes after its handshake', async () => {
    const listening = await start({ maxHandshakeBytes: 3_072 }) // a hybrid key share takes 1.2 KiB
    const socket = await shaken(listening, await chainOf(1))
    socket.write(Buffer.concat([preface, emptySettings, ...Array.from({ length: 400 }, () => emptySettings)]))
    await once(socket, 'data')
    expect(listening.told.reasons).toEqual([])
    socket.destroy()
  })

  it.each([
    ['on a port for tokens', { maxHandshakeBytes: 64, tokenPort: 0 }],
    ['with a limit that OpenSSL has itself', { maxHandshakeBytes: 102_400 }],
  ])('%s is read by TLS itself', async (_, options) => {
    const added = vi.spyOn(Socket.prototype, 'on')
    const listening = await start(options)
    const { port, tokenPort = port } = listening.server
    const socket = await shaken({ ...listening, server: { ...listening.server, port: tokenPort } })
    await once(socket, 'data')
    const events = added.mock.calls as unknown as readonly (readonly [string])[]
    const readers = added.mock.contexts.filter(
      (one, index) => (one as Socket).localPort === tokenPort && events[index]?.[0] === 'data',
    )
    added.mockRestore()
    expect(readers).toEqual([])
    socket.destroy()
  })

  it('that fails its handshake is charged to its source, and closed', async () => {
    const charged = vi.spyOn(HandshakeLine.prototype, 'completed')
    const listening = await start()
    const socket = await plain(listening)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await closed(socket)
    await expect.poll(() => charged.mock.calls.length).toBe(1)
    charged.mockRestore()
    expect(listening.told.log).toContainEqual(expect.objectContaining({ message: 'TLS handshake failed' }))
    await expect.poll(() => listening.server.connections).toBe(0)
  })
})

describe('grpc-js', () => {
  it('gets the limits that it holds itself', async () => {
    const seen: object[] = []
    class Server extends grpcJs.Server {
      constructor(options?: grpcJs.ServerOptions) {
        super(options)
        seen.push(options ?? {})
      }
    }
    await start({
      grpc: { ...grpcJs, Server } as typeof grpcJs,
      maxSessionMemoryMb: 3,
      maxMessageBytes: 70_000,
    })
    expect(seen).toEqual([
      expect.objectContaining({
        'grpc-node.max_session_memory': 3,
        'grpc.max_receive_message_length': 70_000,
        'grpc.max_concurrent_streams': 16,
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.max_connection_idle_ms': 300_000,
        'grpc.max_connection_age_ms': 1_800_000,
        'grpc.enable_channelz': 0,
      }),
    ])
  })
})

function length(message: Uint8Array): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(message.length)
  return octets
}

/** Each names the next as its issuer: `node:tls` shows no others. */
async function chainOf(certificates: number): Promise<{ readonly cert: string; readonly key: string }> {
  const signer = await SoftwareSigner.generate('P-256')
  const pems = Array.from({ length: certificates }, async (_, index) => {
    const certificate = await buildCertificate(
      {
        issuer: `CN=${index + 1}`,
        subject: `CN=${index}`,
        publicKey: signer.publicKey,
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 3_600_000),
        extensions: {},
      },
      signer,
    )
    return certificate.toPem()
  })
  return { cert: (await Promise.all(pems)).join(''), key: exportPrivateKey(signer.privateKey()) }
}
