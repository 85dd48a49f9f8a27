// A door that stays shut, for gRPC both ways: no message of a wrong client reaches a handler, no octet of a
// call reaches a wrong server.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { Server as TcpServer, connect as connectTcp } from 'node:net'
import type { AddressInfo } from 'node:net'
import * as tls from 'node:tls'
import { Client, Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerUnaryCall, ServiceError, sendUnaryData } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grpcChannelCredentials, listenGrpc } from '../../../../src/adapters/grpc/index.ts'
import type { GrpcListener } from '../../../../src/adapters/grpc/credentials/index.ts'
import { code } from '../../../support/codes.ts'
import { oddDelays } from '../../../support/odd-delays.ts'
import { freePort } from '../../../support/free-port.ts'
import {
  openWorld,
  peerId,
  rawHttp2Request,
  rawHttp2Server,
  serialOf,
  withoutRoot,
  wrongPeersOf,
} from '../tls/door-fixtures.ts'
import type { Credentials, RawAnswer, World } from '../tls/door-fixtures.ts'

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

const rawHeaders = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' }

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a listener, %s', (version) => {
  let opened: Awaited<ReturnType<typeof openListener>>
  beforeAll(async () => {
    opened = await openListener(peerId)
  })
  afterAll(async () => {
    await opened.listener.close(0)
    opened.server.forceShutdown()
  })
  const send = (credentials: Credentials, session?: Buffer): Promise<RawAnswer> => {
    heard = []
    const options = { ...credentials, minVersion: version, maxVersion: version, ...(session && { session }) }
    return rawHttp2Request(opened.listener.port, rawHeaders, options)
  }

  test('serves the right client, and says who it is', async () => {
    expect((await send(await world.credentialsOf(peerId))).text).toContain('granted')
    expect(heard).toEqual([peerId])
  })

  test.each(wrongPeersOf(() => world))('refuses %s', async (_name, of) => {
    expect((await send(await of())).text).toBe('')
    expect(heard).toEqual([])
  })

  test('refuses who resumes after a revocation', async () => {
    const credentials = await world.credentialsOf(peerId)
    const { session } = await send(credentials)
    world.revoked.add(serialOf(credentials))
    expect((await send(credentials, session)).text).toBe('')
    expect(heard).toEqual([])
  })

  test('refuses who resumes after its root was removed', async () => {
    const credentials = await world.credentialsOf(peerId)
    const { session } = await send(credentials)
    await withoutRoot(world, async () => {
      expect((await send(credentials, session)).text).toBe('')
      expect(heard).toEqual([])
    })
  })
})

/** One call with our credentials. */
async function call(port: number, id: string = peerId): Promise<string> {
  const client = await clientOf(port, id)
  try {
    return await callBy(client)
  } finally {
    client.close()
  }
}

async function clientOf(port: number, id: string): Promise<Client> {
  const credentials = await grpcChannelCredentials(world.identity, { id })
  return new Client(`127.0.0.1:${port}`, credentials, { 'grpc.enable_retries': 0 })
}

function callBy(client: Client): Promise<string> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      octets,
      octets,
      Buffer.from('secret'),
      (error: ServiceError | null, answer) => (error === null ? resolve(String(answer)) : reject(error)),
    )
  })
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a channel, %s', (version) => {
  const only = { minVersion: version, maxVersion: version }

  test.each(wrongPeersOf(() => world))('sends nothing to %s', async (_name, of) => {
    const raw = await rawHttp2Server(await of(), only)
    await expect(call(raw.port)).rejects.toMatchObject({ code: 14 })
    expect(raw.received).toBe('')
    raw.server.close()
  })

  test('sends nothing to a server that was revoked since, or whose root was removed', async () => {
    const credentials = await world.credentialsOf(peerId)
    const raw = await rawHttp2Server(credentials, only)
    expect(await call(raw.port)).toBe('hello')
    await expect.poll(() => raw.open).toBe(0)
    raw.received = ''
    await withoutRoot(world, async () => {
      await expect(call(raw.port)).rejects.toMatchObject({ code: 14 })
    })
    expect(raw.received).toBe('')
    expect(await call(raw.port)).toBe('hello')
    await expect.poll(() => raw.open).toBe(0)
    raw.received = ''
    world.revoked.add(serialOf(credentials))
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

test('a revocation closes the connection that a channel keeps', async () => {
  const credentials = await world.credentialsOf(peerId)
  const raw = await rawHttp2Server(credentials)
  const client = await clientOf(raw.port, peerId)
  expect(await callBy(client)).toBe('hello')
  expect(world.identity.connections.size).toBe(1)
  world.revoked.add(serialOf(credentials))
  expect(world.identity.recheck()).toBe(1)
  await expect.poll(() => raw.open).toBe(0)
  raw.received = ''
  await expect(callBy(client)).rejects.toMatchObject({ code: 14 })
  expect(raw.received).toBe('')
  client.close()
  raw.server.close()
})

test('a revocation closes the connection that a listener has', async () => {
  heard = []
  const { server, listener } = await openListener(peerId)
  const credentials = await world.credentialsOf(peerId)
  const session = connectHttp2(`https://127.0.0.1:${listener.port}`, {
    rejectUnauthorized: false,
    ...credentials,
  })
  session.on('error', () => undefined)
  const stream = session.request(rawHeaders)
  stream.end(Buffer.from([0, 0, 0, 0, 0]))
  await once(stream.resume(), 'end')
  expect(heard).toEqual([peerId])
  world.revoked.add(serialOf(credentials))
  expect(world.identity.recheck()).toBe(1)
  await expect.poll(() => session.destroyed).toBe(true)
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

test('a call in progress at the greatest age of its connection ends as it would have', async () => {
  const server = new Server()
  const held: sendUnaryData<Buffer>[] = []
  server.addService(definition, {
    Get: (_call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => held.push(reply),
  })
  const options = { authorize: peerId, maxConnectionAgeSeconds: 1 }
  const listener = await listenGrpc(server, world.identity, options)
  const session = connectHttp2(`https://127.0.0.1:${listener.port}`, {
    rejectUnauthorized: false,
    ...(await world.credentialsOf(peerId)),
  })
  const [going, closed] = [once(session, 'goaway'), once(session, 'close')]
  const stream = session.request(rawHeaders)
  let text = ''
  stream.on('data', (part: Buffer) => (text += part.toString()))
  const ended = once(stream, 'end')
  stream.end(Buffer.from([0, 0, 0, 0, 0]))
  await going
  for (const reply of held) reply(null, Buffer.from('granted'))
  await ended
  expect(text).toContain('granted')
  await closed
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

test('a time to close that is none is refused, and the port stays open', async () => {
  heard = []
  const { server, listener } = await openListener(peerId)
  for (const odd of oddDelays) await expect(listener.close(odd)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  await rawHttp2Request(listener.port, rawHeaders, await world.credentialsOf(peerId))
  expect(heard).toEqual([peerId])
  await listener.close(0)
  server.forceShutdown()
})

test('a connection that cannot be accepted does not end the listener', async () => {
  heard = []
  const { server, listener } = await openListener(peerId)
  // As `node:net` does when the process has no file left for a connection.
  const tcpServer = (process as unknown as { _getActiveHandles(): unknown[] })
    ._getActiveHandles()
    .filter((one): one is TcpServer => one instanceof TcpServer)
    .find((one) => (one.address() as AddressInfo | null)?.port === listener.port)
  tcpServer!.emit('error', new Error('accept EMFILE'))
  expect(tcpServer!.listening).toBe(true)
  await rawHttp2Request(listener.port, rawHeaders, await world.credentialsOf(peerId))
  expect(heard).toEqual([peerId])
  await listener.close(0)
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
