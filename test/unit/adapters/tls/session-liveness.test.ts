// HTTP/2 connections whose peer is gone, or does not answer.

import { once } from 'node:events'
import { connect } from 'node:http2'
import * as tls from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createHttp2Server, createTlsIdentity } from '../../../../src/adapters/tls/index.ts'
import type { TlsIdentity } from '../../../../src/adapters/tls/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { openWorld, peerId, portOf } from './door-fixtures.ts'
import type { Credentials, World } from './door-fixtures.ts'

let world: World
let peer: Credentials
let identity: TlsIdentity
const clock = new FakeClock(new Date())

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

async function listen(): Promise<number> {
  const server = createHttp2Server(identity, { authorize: peerId }, (_request, response) =>
    response.end('hello'),
  )
  onTestFinished(() => void server.close())
  return portOf(server)
}

/** A client that speaks frames by hand, and answers nothing by itself. */
async function rawClient(port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
    ...peer,
  })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

const preface = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, Buffer.alloc(0))])

function frame(type: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

test('a peer that does not answer a PING is closed', async () => {
  const silent = await rawClient(await listen())
  silent.write(preface)
  await once(silent, 'data')
  const closed = once(silent, 'close')
  silent.resume()
  await expect.poll(() => identity.connections.size).toBe(1)
  for (let look = 0; look < 4; look++) clock.advance(15_000)
  await closed
  await expect.poll(() => identity.connections.size).toBe(0)
})

test('a connection that Node no longer reads is closed', async () => {
  const flooding = await rawClient(await listen())
  flooding.write(preface)
  const reset = Buffer.from([0, 0, 0, 8])
  // :method GET, :scheme https, :path /, :authority a
  const headers = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x61])
  for (let id = 1; id < 8000; id += 2) {
    const head = frame(1, id, headers)
    head.writeUInt8(4, 4)
    flooding.write(Buffer.concat([head, frame(3, id, reset)]))
  }
  await expect.poll(() => identity.connections.size).toBe(1)
  await expect.poll(() => (clock.advance(15_000), identity.connections.size)).toBe(0)
})

test('a quiet peer that answers stays, and one whose octets arrive is not asked', async () => {
  const session = connect(`https://127.0.0.1:${await listen()}`, { rejectUnauthorized: false, ...peer })
  onTestFinished(() => session.destroy())
  let asked = 0
  session.on('ping', () => asked++)
  await once(session, 'remoteSettings')
  const roundTrip = (): Promise<void> =>
    new Promise((resolve) => void session.ping(() => setImmediate(resolve)))
  for (let look = 0; look < 6; look++) {
    await roundTrip()
    clock.advance(15_000)
  }
  await roundTrip()
  expect(asked).toBe(0)
  for (let look = 0; look < 6; look++) {
    const before = asked
    clock.advance(15_000)
    // Every second look asks.
    if (look % 2 === 1) await expect.poll(() => asked).toBe(before + 1)
    await expect.poll(() => identity.connections.size).toBe(1)
  }
  expect(session.destroyed).toBe(false)
})
