// A door that stays shut, server side: no octet of a wrong client reaches the application, none of the
// application leaves.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Server } from 'node:tls'
import {
  createHttp2Server,
  createHttpsServer,
  createTlsServer,
  guardServer,
  peerOf,
  tlsServerOptions,
} from '../../../../src/adapters/tls/index.ts'
import { createServer as createHttps } from 'node:https'
import { code } from '../../../support/codes.ts'
import { openWorld, peerId, portOf, rawRequest, serialOf } from './door-fixtures.ts'
import type { Credentials, RawAnswer, World } from './door-fixtures.ts'

const request = 'GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
let world: World
/** What reached the application, by transport. */
let heard: string[] = []

beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

const transports: readonly [string, () => Server, string][] = [
  [
    'tls',
    () =>
      createTlsServer(world.identity, { authorize: peerId }, (socket) => {
        heard.push(String(peerOf(socket)?.id))
        socket.on('data', () => socket.end('granted'))
      }),
    'hello',
  ],
  [
    'https',
    () =>
      createHttpsServer(world.identity, { authorize: peerId }, (incoming, response) => {
        heard.push(String(peerOf(incoming.socket)?.id))
        response.end('granted')
      }),
    request,
  ],
  [
    'http2 with HTTP/1',
    () =>
      createHttp2Server(world.identity, { authorize: peerId, node: { allowHTTP1: true } }, (_, response) => {
        heard.push(peerId)
        response.end('granted')
      }),
    request,
  ],
  [
    'a guarded server of node:https',
    () =>
      guardServer(
        createHttps(tlsServerOptions(world.identity), (incoming, response) => {
          heard.push(String(peerOf(incoming.socket)?.id))
          response.end('granted')
        }),
        world.identity,
        { authorize: peerId },
      ),
    request,
  ],
]

const wrongPeers: readonly [string, () => Promise<Credentials>][] = [
  ['another ID', () => world.credentialsOf('spiffe://example.org/other')],
  [
    'the same path of another domain',
    () => world.credentialsOf('spiffe://example.com/peer', { domain: 'example.com' }),
  ],
  ['the root of an impostor', () => world.credentialsOf(peerId, { domain: 'impostor' })],
  ['an expired certificate', () => world.credentialsOf(peerId, { ttlSeconds: 600 })],
  ['no certificate', async () => ({})],
  [
    'a revoked certificate',
    async () => {
      const credentials = await world.credentialsOf(peerId)
      world.revoked.add(serialOf(credentials))
      return credentials
    },
  ],
]

describe.each(transports)('%s', (_, open, text) => {
  let server: Server
  let port: number
  beforeAll(async () => {
    server = open()
    port = await portOf(server)
  })
  afterAll(() => server.close())

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const send = (credentials: Credentials, session?: Buffer): Promise<RawAnswer> => {
      heard = []
      return rawRequest(port, text, {
        ...credentials,
        minVersion: version,
        maxVersion: version,
        ...(session && { session }),
      })
    }

    test(`${version}: serves the right client, also when it resumes`, async () => {
      const credentials = await world.credentialsOf(peerId)
      const first = await send(credentials)
      expect(first.text).toContain('granted')
      expect(heard).toEqual([peerId])
      const again = await send(credentials, first.session)
      expect(again).toMatchObject({ resumed: true })
      expect(again.text).toContain('granted')
      expect(heard).toEqual([peerId])
    })

    test.each(wrongPeers)(`${version}: refuses %s`, async (_name, credentialsOf) => {
      const answer = await send(await credentialsOf())
      expect(answer.text).toBe('')
      expect(heard).toEqual([])
    })

    test(`${version}: refuses who resumes after a revocation`, async () => {
      const credentials = await world.credentialsOf(peerId)
      const { session } = await send(credentials)
      world.revoked.add(serialOf(credentials))
      const answer = await send(credentials, session)
      expect(answer).toMatchObject({ text: '', resumed: true })
      expect(heard).toEqual([])
    })

    test(`${version}: refuses who resumes after its root was removed`, async () => {
      const before = world.bundles.bundles[1]!
      const credentials = await world.credentialsOf(peerId)
      const { session } = await send(credentials)
      world.bundles.set(before.with({ x509Authorities: world.impostor.trustBundle().x509Authorities }))
      try {
        const answer = await send(credentials, session)
        expect(answer.text).toBe('')
        expect(heard).toEqual([])
      } finally {
        world.bundles.set(before)
      }
    })
  }
})

test('options without a guard serve nobody', async () => {
  heard = []
  const server = createHttps(tlsServerOptions(world.identity), (_, response) => {
    heard.push('anybody')
    response.end('granted')
  })
  const answer = await rawRequest(await portOf(server), request, await world.credentialsOf(peerId))
  expect(answer.text).toBe('')
  expect(heard).toEqual([])
  server.close()
})

test('slips do not open the door', () => {
  const bad: unknown[] = [
    {},
    { authorize: undefined },
    { authorise: peerId },
    { authorize: '' },
    { authorize: null },
    undefined,
  ]
  for (const options of bad)
    expect(() => createTlsServer(world.identity, options as never)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|SPIFFE_ID_INVALID)$/) }),
    )
  const server = createTlsServer(world.identity, { authorize: peerId })
  expect(() => guardServer(server, world.identity, { authorize: peerId })).toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
  expect(() => guardServer(createHttps(), world.identity, { authorize: peerId })).toThrow(
    code('ERR_INVALID_ARGUMENT'),
  )
})

test('an asynchronous or throwing authorization accepts nobody', async () => {
  const authorizations = [
    async () => true,
    () => 1,
    () => Promise.reject(new Error('x')).catch(() => true),
    () => {
      throw new Error('x')
    },
  ]
  for (const authorize of authorizations) {
    heard = []
    const server = createTlsServer(world.identity, { authorize: authorize as never }, (socket) => {
      heard.push('anybody')
      socket.end('granted')
    })
    const answer = await rawRequest(await portOf(server), 'hello', await world.credentialsOf(peerId))
    expect(answer.text).toBe('')
    expect(heard).toEqual([])
    server.close()
  }
})

test('revocation reaches live connections', async () => {
  const server = createTlsServer(world.identity, { authorize: peerId }, (socket) => {
    socket.on('error', () => undefined)
    socket.write('granted')
  })
  const port = await portOf(server)
  const credentials = await world.credentialsOf(peerId)
  const other = await world.credentialsOf(peerId)
  const ended = rawRequest(port, 'hello', credentials)
  const stays = rawRequest(port, 'hello', other)
  await expect.poll(() => world.identity.connections.size).toBe(2)
  expect(world.identity.recheck()).toBe(0)
  world.revoked.add(serialOf(credentials))
  expect(world.identity.recheck()).toBe(1)
  expect((await ended).text).toBe('granted')
  await expect.poll(() => world.identity.connections.size).toBe(1)
  const closed = world.identity.connections.close(
    { id: peerId, serialNumber: serialOf(other) as never },
    new Error('x') as never,
  )
  expect(closed).toBe(1)
  await stays
  server.close()
})
