// What a change of the SVID or of the roots reaches, and what a source without an SVID does not end.

import { constants } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import * as https from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { LookupFunction, Socket } from 'node:net'
import * as tls from 'node:tls'
import { request } from 'undici'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  createTlsIdentity,
  createTlsServer,
  fetchDispatcher,
  guardServer,
  httpsAgent,
  tlsClientOptions,
  tlsServerOptions,
} from '../../../../src/adapters/tls/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import type { X509Identity, X509Source } from '../../../../src/secrets/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { code } from '../../../support/codes.ts'
import { checkerOf, openWorld, peerId, portOf, rawServer } from './door-fixtures.ts'
import type { Credentials, World } from './door-fixtures.ts'

let world: World
let peer: Credentials

beforeAll(async () => {
  world = await openWorld()
  peer = await world.credentialsOf(peerId)
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

/** The source of the world, whose SVID can go and whose changes the test tells of. */
class Told {
  gone = false
  hasBundles = true
  readonly #listeners = new Set<(identity: X509Identity) => void>()
  readonly source: X509Source

  constructor() {
    const { source } = world
    this.source = Object.create(source, {
      current: {
        get: () => {
          if (this.gone) throw new PkiError('ERR_SVID_UNAVAILABLE', 'gone')
          return source.current
        },
      },
      bundleFor: {
        value: (domain: Parameters<X509Source['bundleFor']>[0]) =>
          this.hasBundles ? source.bundleFor(domain) : undefined,
      },
      onChange: {
        value: (listener: (identity: X509Identity) => void) => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
      },
    }) as X509Source
  }

  change(): void {
    for (const listener of this.#listeners) listener(world.source.current)
  }
}

test('a revocation ends a live connection without a call of recheck, within a minute', async () => {
  const clock = new FakeClock(new Date())
  const revoked = new Set<string>()
  const revocation = checkerOf(revoked)
  await using identity = createTlsIdentity({ source: world.source, clock, revocation })
  const server = createTlsServer(identity, { authorize: peerId })
  onTestFinished(() => void server.close())
  const socket = tls.connect({
    host: '127.0.0.1',
    port: await portOf(server),
    rejectUnauthorized: false,
    ...peer,
  })
  const closed = once(socket.on('error', () => undefined).resume(), 'close')
  await expect.poll(() => identity.connections.size).toBe(1)
  for (const { peer: found } of identity.connections) revoked.add(found.chain[0]!.serialNumber)
  clock.advance(59_000)
  await new Promise(setImmediate)
  expect(identity.connections.size).toBe(1)
  clock.advance(1_000)
  await closed
  expect(() => createTlsIdentity({ source: world.source, recheckSeconds: 0 })).toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
})

test('removed roots end live connections, also where the new SVID cannot be used', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const server = createTlsServer(identity, { authorize: peerId }, (socket) => {
    socket.on('error', () => undefined)
  })
  onTestFinished(() => void server.close())
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port: await portOf(server), rejectUnauthorized: false },
    ...peer,
  })
  socket.on('error', () => undefined)
  await once(server, 'secureConnection')
  const closed = once(socket, 'close')
  told.gone = true
  told.hasBundles = false
  told.change()
  expect(identity.connections.size).toBe(1)
  await closed
})

test('live connections are verified again with turns of the event loop between', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const events: string[] = []
  const slow = Object.assign(
    () => {
      for (const end = performance.now() + 10; performance.now() < end;);
      events.push('verified')
      return true
    },
    { description: 'slow' },
  )
  const server = createTlsServer(identity, { authorize: slow }, (socket) => {
    socket.on('error', () => undefined)
  })
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  for (let count = 0; count < 4; count++) {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...peer })
    socket.on('error', () => undefined)
    await once(server, 'secureConnection')
  }
  const verified = (): number => events.filter((event) => event === 'verified').length
  events.length = 0
  setImmediate(() => events.push('turn'))
  told.change()
  await expect.poll(verified).toBe(4)
  expect(events.indexOf('turn')).toBeLessThan(events.lastIndexOf('verified'))
  events.length = 0
  expect(identity.recheck()).toBe(0)
  expect(verified()).toBe(4)
})

test('the ciphers of an application stay after a rotation', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const node = { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384', maxVersion: 'TLSv1.2' } as const
  const server = createTlsServer(identity, { authorize: peerId, node }, (socket) => socket.end('hello'))
  server.on('tlsClientError', () => undefined)
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  told.change()
  const shake = async (options: tls.ConnectionOptions): Promise<unknown> => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...peer, ...options })
    try {
      await once(socket, 'secureConnect')
      return socket.getCipher().name
    } catch {
      return undefined
    } finally {
      socket.destroy()
    }
  }
  expect(await shake({})).toBe('ECDHE-ECDSA-AES256-GCM-SHA384')
  expect(await shake({ minVersion: 'TLSv1.3' })).toBeUndefined()
  expect(await shake({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toBeUndefined()
})

test('a minimum version and options of OpenSSL that an application chose stay after a rotation', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const options = tlsServerOptions(identity)
  const chosen = { minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET } as const
  const server = guardServer(tls.createServer({ ...options, ...chosen }), identity, { authorize: peerId })
  server.on('tlsClientError', () => undefined)
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  told.change()
  const old = tls.connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...peer,
    maxVersion: 'TLSv1.2',
  })
  await expect(once(old, 'secureConnect')).rejects.toThrow()
  expect(server).toHaveProperty(
    'secureOptions',
    constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  )
})

test('a session that began before a change is not resumed after it', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const raw = await rawServer(peer)
  onTestFinished(() => void raw.server.close())
  const id = Object.assign(
    () => {
      // Between the handshake and the session that the server sends after it.
      told.change()
      return true
    },
    { description: 'anybody' },
  )
  const agent = httpsAgent(identity, { id })
  for (let count = 0; count < 3; count++) {
    const sent = https.get({ host: '127.0.0.1', port: raw.port, agent })
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const { socket } = response
    response.resume()
    await once(response, 'end')
    socket.destroy()
  }
  agent.destroy()
  expect(raw.resumed).toBe(0)
})

test('a session of before a change is not resumed after it', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const raw = await rawServer(peer)
  onTestFinished(() => void raw.server.close())
  const agent = httpsAgent(identity, { id: peerId, node: { keepAlive: false } })
  const resumed: number[] = []
  for (const change of [false, false, true, false]) {
    if (change) told.change()
    const sent = https.get({ host: '127.0.0.1', port: raw.port, agent })
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const { socket } = response
    await once(response.resume(), 'end')
    socket.destroy()
    resumed.push(raw.resumed)
  }
  expect(resumed).toEqual([0, 1, 1, 2])
})

test('a request that waits for a connection fails when the SVID is gone', async () => {
  const told = new Told()
  await using identity = createTlsIdentity({ source: told.source })
  const server = tls.createServer({ ...peer, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => {
      told.gone = true
      socket.destroy()
    })
  })
  onTestFinished(() => void server.close())
  const agent = httpsAgent(identity, { id: peerId, node: { maxSockets: 1 } })
  onTestFinished(() => agent.destroy())
  const port = await portOf(server)
  const failed = [1, 2].map(async () => {
    const [error] = (await once(https.get({ host: '127.0.0.1', port, agent }), 'error')) as [Error]
    return error
  })
  expect((await failed[0])?.message).toContain('hang up')
  expect(await failed[1]).toEqual(code('ERR_SVID_UNAVAILABLE'))
})

test('fetch gives up a server that is silent in the handshake', async () => {
  const clock = new FakeClock(new Date())
  await using identity = createTlsIdentity({ source: world.source, clock })
  const accepted: Socket[] = []
  const server = createTcpServer((socket) => void accepted.push(socket))
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  const dispatcher = await fetchDispatcher(identity, { id: peerId })
  const answer = request(`https://127.0.0.1:${port}/`, { dispatcher })
  const refused = expect(answer).rejects.toThrow(code('ERR_TIMEOUT'))
  await expect.poll(() => accepted.length).toBe(1)
  clock.advance(10_000)
  await refused
  await dispatcher.close()
})

test('an agent reaches a host as the request says', async () => {
  const raw = await rawServer(peer)
  onTestFinished(() => void raw.server.close())
  const agent = httpsAgent(world.identity, { id: peerId })
  onTestFinished(() => agent.destroy())
  const loopback: LookupFunction = (_host, { all }, found) => {
    if (all === true) found(null, [{ address: '127.0.0.1', family: 4 }])
    else found(null, '127.0.0.1', 4)
  }
  const byName = https.get({ host: 'orders.invalid', port: raw.port, agent, lookup: loopback })
  expect(((await once(byName, 'response')) as [IncomingMessage])[0].statusCode).toBe(200)
  const refusing: LookupFunction = (_host, _options, found) => found(new Error('not that one'), [])
  const refused = https.get({ host: 'localhost', port: raw.port, agent, lookup: refusing })
  await expect(once(refused, 'response')).rejects.toThrow('not that one')
  const byPath = https.get({ socketPath: '/nowhere/socket', agent })
  await expect(once(byPath, 'response')).rejects.toThrow(code('ENOENT'))
})

test('a certificate that strict DER forbids is a refusal, and ends nothing', () => {
  const { checkServerIdentity } = tlsClientOptions(world.identity, { id: peerId })
  const raw = Buffer.from([0x30, 0x80, 0, 0])
  expect(checkServerIdentity?.('server', { raw } as tls.PeerCertificate)).toEqual(code('ERR_DER'))
})
