// A server closes a connection at its greatest age, and cuts no answer short.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import * as https from 'node:https'
import * as tls from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  createHttp2Server,
  createHttpsServer,
  createTlsIdentity,
} from '../../../../src/adapters/tls/index.ts'
import type { TlsIdentity } from '../../../../src/adapters/tls/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { openWorld, peerId, portOf } from './door-fixtures.ts'
import type { Credentials, World } from './door-fixtures.ts'

let world: World
let peer: Credentials
let identity: TlsIdentity
const clock = new FakeClock(new Date())
const guard = { authorize: peerId, maxConnectionAgeSeconds: 10 }

beforeAll(async () => {
  world = await openWorld()
  peer = await world.credentialsOf(peerId)
  identity = createTlsIdentity({ source: world.source, clock })
})
afterAll(async () => {
  await identity[Symbol.asyncDispose]()
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

function rawConnection(port: number, options: { allowHalfOpen?: boolean } = {}): tls.TLSSocket {
  const to = { host: '127.0.0.1', port, rejectUnauthorized: false }
  const socket = tls.connect({ ...to, ...peer, ...options })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

test('an idle HTTP/1 connection ends, also after it has carried a request', async () => {
  const server = createHttpsServer(identity, guard, (_request, response) => response.end('hello'))
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  const used = rawConnection(port)
  used.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(used, 'data')
  const unused = rawConnection(port)
  await once(unused, 'secureConnect')
  const closed = [once(used, 'close'), once(unused, 'close')]
  await expect.poll(() => identity.connections.size).toBe(2)
  clock.advance(10_000)
  await Promise.all(closed)
})

test('a client that does not close its side sends no further request', async () => {
  const heard: (string | undefined)[] = []
  const server = createHttpsServer(identity, guard, ({ url }, response) => {
    heard.push(url)
    response.end('hello')
  })
  onTestFinished(() => void server.close())
  const stubborn = rawConnection(await portOf(server), { allowHalfOpen: true })
  stubborn.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(stubborn, 'data')
  await expect.poll(() => identity.connections.size).toBe(1)
  clock.advance(10_000)
  await once(stubborn, 'end')
  stubborn.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => identity.connections.size).toBe(0)
  expect(heard).toEqual(['/1'])
})

test('an HTTP/1 response in progress is sent whole, and is the last of its connection', async () => {
  let finish = (): void => undefined
  const server = createHttpsServer(identity, guard, (_request, response) => {
    response.write('first ')
    finish = () => response.end('last')
  })
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  const agent = new https.Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const sent = https.get({ host: '127.0.0.1', port, agent, rejectUnauthorized: false, ...peer })
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { socket } = response
  let text = ''
  for await (const part of response as AsyncIterable<Buffer>) {
    text += part.toString()
    if (text !== 'first ') continue
    clock.advance(10_000)
    setImmediate(() => setImmediate(finish))
  }
  expect(text).toBe('first last')
  if (!socket.destroyed) await once(socket, 'close')
})

test('HTTP/2 streams in progress are sent whole, and no other begins', async () => {
  let finish = (): void => undefined
  const server = createHttp2Server(identity, guard, (_request, response) => {
    response.write('first ')
    finish = () => response.end('last')
  })
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, ...peer })
  onTestFinished(() => session.destroy())
  const going = once(session, 'goaway')
  const closed = once(session, 'close')
  let text = ''
  for await (const part of session.request({ ':path': '/' }) as AsyncIterable<Buffer>) {
    text += part.toString()
    if (text !== 'first ') continue
    clock.advance(10_000)
    await going
    finish()
  }
  expect(text).toBe('first last')
  await closed
})
