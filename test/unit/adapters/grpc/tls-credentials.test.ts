// A door that stays shut, for gRPC both ways: no message of a wrong client reaches a handler, no octet of a
// call reaches a wrong server.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import * as tls from 'node:tls'
import { Client, Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerUnaryCall, ServiceError, sendUnaryData } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grpcChannelCredentials, listenGrpc } from '../../../../src/adapters/grpc/index.ts'
import type { GrpcListener } from '../../../../src/adapters/grpc/credentials/index.ts'
import { code } from '../../../support/codes.ts'
import { freePort } from '../../../support/free-port.ts'
import { openWorld, peerId, rawServer, serialOf } from '../tls/door-fixtures.ts'
import type { Credentials, World } from '../tls/door-fixtures.ts'

const path = '/test.Secret/Get'
const octets = (bytes: Buffer): Buffer => bytes
const definition = {
  Get: {
    path,
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: octets,
    requestDeserialize: octets,
    responseSerialize: octets,
    responseDeserialize: octets,
  },
}
let world: World
/** Who reached the handler. */
let heard: string[] = []

beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

const wrongPeers: readonly [string, () => Promise<Credentials>][] = [
  ['another ID', () => world.credentialsOf('spiffe://example.org/other')],
  [
    'the same path of another domain',
    () => world.credentialsOf('spiffe://example.com/peer', { domain: 'example.com' }),
  ],
  ['the root of an impostor', () => world.credentialsOf(peerId, { domain: 'impostor' })],
  ['an expired certificate', () => world.credentialsOf(peerId, { ttlSeconds: 600 })],
  [
    'a revoked certificate',
    async () => {
      const credentials = await world.credentialsOf(peerId)
      world.revoked.add(serialOf(credentials))
      return credentials
    },
  ],
]

async function openListener(authorize: string): Promise<{ server: Server; listener: GrpcListener }> {
  const server = new Server()
  const opened: { listener?: GrpcListener } = {}
  server.addService(definition, {
    Get: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
      heard.push(String(opened.listener?.peerOf(call)))
      reply(null, Buffer.from('granted'))
    },
  })
  const listener = await listenGrpc(server, world.identity, { authorize })
  opened.listener = listener
  return { server, listener }
}

/** A call of a client that is not ours, over HTTP/2; the text of the answer, if there is one. */
function rawCall(
  port: number,
  options: tls.ConnectionOptions,
): Promise<{ text: string; session: Buffer | undefined; resumed: boolean }> {
  return new Promise((resolve) => {
    let text = ''
    let session: Buffer | undefined
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      ...options,
    })
    socket.on('session', (next: Buffer) => (session = next))
    const http2 = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket })
    const done = (): void => {
      http2.destroy()
      resolve({ text, session, resumed: socket.isSessionReused() })
    }
    http2.on('error', () => undefined)
    socket.on('error', () => undefined)
    socket.on('close', done)
    const stream = http2.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('data', (part: Buffer) => (text += part.toString('latin1')))
    stream.on('error', () => undefined)
    stream.on('end', () => setImmediate(done))
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
  })
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a listener, %s', (version) => {
  let opened: Awaited<ReturnType<typeof openListener>>
  beforeAll(async () => {
    opened = await openListener(peerId)
  })
  afterAll(async () => {
    await opened.listener.close(0)
    opened.server.forceShutdown()
  })
  const send = (credentials: Credentials, session?: Buffer): ReturnType<typeof rawCall> => {
    heard = []
    const only = { minVersion: version, maxVersion: version }
    return rawCall(opened.listener.port, { ...credentials, ...only, ...(session && { session }) })
  }

  test('serves the right client, and says who it is', async () => {
    expect((await send(await world.credentialsOf(peerId))).text).toContain('granted')
    expect(heard).toEqual([peerId])
  })

  test.each([...wrongPeers, ['no certificate', async () => ({})] as const])(
    'refuses %s',
    async (_name, of) => {
      expect((await send(await of())).text).toBe('')
      expect(heard).toEqual([])
    },
  )

  test('refuses who resumes after a revocation', async () => {
    const credentials = await world.credentialsOf(peerId)
    const { session } = await send(credentials)
    world.revoked.add(serialOf(credentials))
    expect((await send(credentials, session)).text).toBe('')
    expect(heard).toEqual([])
  })

  test('refuses who resumes after its root was removed', async () => {
    const before = world.bundles.bundles[1]!
    const credentials = await world.credentialsOf(peerId)
    const { session } = await send(credentials)
    world.bundles.set(before.with({ x509Authorities: world.impostor.trustBundle().x509Authorities }))
    try {
      expect((await send(credentials, session)).text).toBe('')
      expect(heard).toEqual([])
    } finally {
      world.bundles.set(before)
    }
  })
})

/** One call with our credentials. */
async function call(port: number, id: string = peerId): Promise<string> {
  const credentials = await grpcChannelCredentials(world.identity, { id })
  const client = new Client(`127.0.0.1:${port}`, credentials, { 'grpc.enable_retries': 0 })
  try {
    return await new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        octets,
        octets,
        Buffer.from('secret'),
        (error: ServiceError | null, answer) => (error === null ? resolve(String(answer)) : reject(error)),
      )
    })
  } finally {
    client.close()
  }
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a channel, %s', (version) => {
  test.each(wrongPeers)('sends nothing to %s', async (_name, of) => {
    const only = { minVersion: version, maxVersion: version, ALPNProtocols: ['h2'] }
    const raw = await rawServer(await of(), only)
    await expect(call(raw.port)).rejects.toMatchObject({ code: 14 })
    expect(raw.received).toBe('')
    raw.server.close()
  })
})

test('both ways by SPIFFE ID', async () => {
  heard = []
  // Both ends are the identity of this world.
  const own = 'spiffe://example.org/self'
  const { server, listener } = await openListener(own)
  expect(await call(listener.port, own)).toBe('granted')
  expect(heard).toEqual([own])
  await expect(call(listener.port, peerId)).rejects.toMatchObject({
    code: 14,
    details: expect.stringContaining(`${own} is not authorized`),
  })
  expect(heard).toEqual([own])
  await listener.close(0)
  server.forceShutdown()
})

test('a call on another port has no peer, also from the address of a verified client', async () => {
  heard = []
  const { server, listener } = await openListener(peerId)
  const plain = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port)
      else reject(error)
    })
  })
  const credentials = await world.credentialsOf(peerId)
  // Both connections begin at this port of the client, and are open at once.
  const sessions: ClientHttp2Session[] = []
  const localPort = await freePort()
  const callFrom = async (port: number, secure: boolean): Promise<void> => {
    const tcp = connectTcp({ host: '127.0.0.1', port, localPort })
    const socket = secure
      ? tls.connect({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['h2'], ...credentials })
      : tcp
    const session = connectHttp2(`http://127.0.0.1:${port}`, { createConnection: () => socket })
    session.on('error', () => undefined)
    sessions.push(session)
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }
    const stream = session.request(headers)
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
    await once(stream.resume(), 'end')
  }
  await callFrom(listener.port, true)
  await callFrom(plain, false)
  expect(heard).toEqual([peerId, 'undefined'])
  for (const session of sessions) session.destroy()
  await listener.close(0)
  server.forceShutdown()
})

test('closing does not wait for a client that is silent in its handshake', async () => {
  heard = []
  const { server, listener } = await openListener(peerId)
  const silent = connectTcp(listener.port, '127.0.0.1')
  silent.on('error', () => undefined)
  await once(silent, 'connect')
  const ended = once(silent.resume(), 'close')
  await listener.close(1)
  await ended
  expect(heard).toEqual([])
  server.forceShutdown()
})

test('slips do not open the door', async () => {
  const server = new Server()
  const refusal = expect.objectContaining({
    code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|SPIFFE_ID_INVALID)$/),
  })
  for (const value of [undefined, null, '', 'example.org']) {
    await expect(listenGrpc(server, world.identity, { authorize: value as never })).rejects.toThrow(refusal)
    await expect(grpcChannelCredentials(world.identity, { id: value as never })).rejects.toThrow(refusal)
  }
  await expect(listenGrpc(server, {} as never, { authorize: peerId })).rejects.toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
  await expect(grpcChannelCredentials({} as never, { id: peerId })).rejects.toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
  await expect(listenGrpc(server, world.identity, { authorize: peerId, ID: 1 } as never)).rejects.toThrow(
    refusal,
  )
})
