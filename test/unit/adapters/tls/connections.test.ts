// What an identity and its clients keep of a connection, and for how long.

import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import * as tls from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  connectTls,
  createHttpsServer,
  createTlsIdentity,
  createTlsServer,
  httpsAgent,
  tlsClientOptions,
} from '../../../../src/adapters/tls/index.ts'
import { code } from '../../../support/codes.ts'
import { openWorld, peerId, portOf, rawRequest, rawServer } from './door-fixtures.ts'
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

test('an identity without a check that was asked for, or of an old version of TLS, is refused', () => {
  for (const options of [
    { revocation: undefined },
    { revocation: null },
    { revocation: {} },
    { revocations: { check: () => undefined } },
    { minVersion: 'TLSv1' },
    { minVersion: 'TLSv1.1' },
    { minVersion: 1.2 },
  ])
    expect(() => createTlsIdentity({ source: world.source, ...options } as never)).toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
})

test('an identity holds nothing of a connection that has ended', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const raw = await rawServer(peer)
  onTestFinished(() => void raw.server.close())
  const authorizations: WeakRef<object>[] = []
  for (let count = 0; count < 20; count++) {
    const id = Object.assign(() => true, { description: 'anybody' })
    authorizations.push(new WeakRef(id))
    const socket = connectTls(world.identity, { id, host: '127.0.0.1', port: raw.port })
    await once(socket, 'secureConnect')
    socket.destroy()
    await once(socket, 'close')
  }
  const held = async (): Promise<number> => {
    await turn()
    collect()
    return authorizations.filter((one) => one.deref() !== undefined).length
  }
  await expect.poll(held).toBeLessThan(5)
})

test('a handshake that is under way when its identity is disposed of is refused', async () => {
  const identity = createTlsIdentity({ source: world.source })
  const server = createTlsServer(identity, { authorize: peerId }, (socket) => socket.end('granted'))
  server.on('tlsClientError', () => undefined)
  const raw = await rawServer(peer)
  onTestFinished(() => {
    server.close()
    raw.server.close()
  })
  const to = { host: '127.0.0.1', port: raw.port }
  const options = tlsClientOptions(identity, { id: peerId })
  const clients = [
    connectTls(identity, { id: peerId, ...to }),
    tls.connect({ ...to, ...options }),
    tls.connect({ ...to, ...options, maxVersion: 'TLSv1.2' }),
  ]
  const refused = clients.map((one) => expect(once(one, 'secureConnect')).rejects.toThrow(code('ERR_CLOSED')))
  const answer = rawRequest(await portOf(server), 'hello', peer)
  await identity[Symbol.asyncDispose]()
  await Promise.all(refused)
  expect((await answer).text).toBe('')
  expect(identity.connections.size).toBe(0)
})

test('an agent keeps no connection that the server closes soon, and no timeout of a request', async () => {
  const id = Object.assign(() => true, { description: 'anybody' })
  const server = createHttpsServer(world.identity, { authorize: id }, (_request, response) => {
    response.end('hello')
  })
  onTestFinished(() => void server.close())
  const port = await portOf(server)
  const agent = httpsAgent(world.identity, { id })
  onTestFinished(() => agent.destroy())
  const socketOf = async (timeout?: number): Promise<Socket> => {
    const sent = https.get({ host: '127.0.0.1', port, agent, ...(timeout === undefined ? {} : { timeout }) })
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const { socket } = response
    await once(response.resume(), 'end')
    await turn()
    return socket
  }
  const first = await socketOf(60_000)
  expect(first.timeout).toBe(0)
  // Announced as `Keep-Alive: timeout=1`.
  server.keepAliveTimeout = 1_000
  expect(await socketOf()).toBe(first)
  expect(await socketOf()).not.toBe(first)
})
