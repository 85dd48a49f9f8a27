// How a client resumes: with the session of the address, given to OpenSSL once, wherever the address leads.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'
import * as tls from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { httpsAgent } from '../../../../src/adapters/tls/index.ts'
import { openWorld, peerId, rawServer } from './door-fixtures.ts'
import type { RawServer, World } from './door-fixtures.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

async function startServer(): Promise<RawServer> {
  const raw = await rawServer(await world.credentialsOf(peerId))
  onTestFinished(() => void raw.server.close())
  return raw
}

/** A request on a connection of its own. */
async function get(options: https.RequestOptions): Promise<void> {
  const [response] = (await once(https.get(options), 'response')) as [IncomingMessage]
  const { socket } = response
  await once(response.resume(), 'end')
  socket.destroy()
}

type Handle = { setSession(session: Buffer): void }
const handleOf = (socket: tls.TLSSocket): Handle => (socket as unknown as { _handle: Handle })._handle

test('a session is parsed once: with its certificate it is a tenth of a resumed connection', async () => {
  const raw = await startServer()
  const { port } = raw
  const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: false } })
  const plain = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  const parsed = vi.spyOn(Object.getPrototypeOf(handleOf(plain)) as Handle, 'setSession')
  onTestFinished(() => {
    parsed.mockRestore()
    plain.destroy()
  })
  await get({ host: '127.0.0.1', port, agent })
  expect(parsed).not.toHaveBeenCalled()
  await get({ host: '127.0.0.1', port, agent })
  expect(raw.resumed).toBe(1)
  expect(parsed).toHaveBeenCalledTimes(1)
})

test('a host resumes at whichever of its addresses answers', async () => {
  const raw = await startServer()
  const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: false } })
  const answering = { address: '127.0.0.1', family: 4 }
  const closed = { address: '127.0.0.2', family: 4 }
  for (const addresses of [[answering], [closed, answering]]) {
    const lookup: LookupFunction = (_host, _options, found) => {
      found(null, addresses)
    }
    await get({ host: 'peer.test', port: raw.port, lookup, agent })
  }
  expect(raw.resumed).toBe(1)
})

test('a session that OpenSSL does not take is a full handshake', async () => {
  const raw = await startServer()
  const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: false } })
  const refuse = vi.spyOn(tls.TLSSocket.prototype as unknown as Handle, 'setSession')
  refuse.mockImplementation(() => {
    throw new Error('SSL_set_session error')
  })
  onTestFinished(() => {
    refuse.mockRestore()
  })
  for (let count = 0; count < 2; count++) await get({ host: '127.0.0.1', port: raw.port, agent })
  expect(refuse).toHaveBeenCalledTimes(1)
  expect(raw.resumed).toBe(0)
})
