// A handshake has ten seconds on every server; then the connection is closed.

import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import * as grpcJs from '@grpc/grpc-js'
import { createServer } from 'node:tls'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { listenGrpc } from '../../../../src/adapters/grpc/index.ts'
import {
  createHttp2Server,
  createHttpsServer,
  createTlsServer,
  guardServer,
  tlsServerOptions,
} from '../../../../src/adapters/tls/index.ts'
import { openWorld, peerId, portOf } from './door-fixtures.ts'
import type { World } from './door-fixtures.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})
const guard = { authorize: peerId }

/** Node does not show it but under its own symbol. */
function handshakeMsOf(server: object): unknown {
  const own = Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'handshake-timeout',
  )
  return own === undefined ? undefined : (server as Record<symbol, unknown>)[own]
}

test('options for servers of others have it', () => {
  expect(tlsServerOptions(world.identity)).toMatchObject({ handshakeTimeout: 10_000 })
})

test('so have the servers of this package, also where an option of Node is undefined', async () => {
  const { identity } = world
  const secureServer = vi.spyOn(identity, 'secureServer')
  await using _listener = await listenGrpc(new grpcJs.Server(), identity, guard)
  const node = { handshakeTimeout: undefined }
  const servers = [
    createTlsServer(identity, guard),
    createHttpsServer(identity, { ...guard, node }),
    createHttp2Server(identity, guard),
    secureServer.mock.results[0]?.value as object,
  ]
  expect(servers.map(handshakeMsOf)).toEqual([10_000, 10_000, 10_000, 10_000])
})

test.each<readonly [string, (node: { handshakeTimeout: number }) => Server]>([
  ['TLS', (node) => createTlsServer(world.identity, { ...guard, node })],
  ['HTTPS', (node) => createHttpsServer(world.identity, { ...guard, node })],
  ['HTTP/2', (node) => createHttp2Server(world.identity, { ...guard, node })],
  [
    'a server of others',
    (node) =>
      guardServer(createServer({ ...tlsServerOptions(world.identity), ...node }), world.identity, guard),
  ],
])('%s: the time can be chosen, and a client that sends nothing is then cut off', async (_what, make) => {
  const server = make({ handshakeTimeout: 20 })
  onTestFinished(() => void server.close())
  const socket = connect(await portOf(server), (server.address() as AddressInfo).address)
  await once(socket, 'close')
  expect(socket.destroyed).toBe(true)
})
