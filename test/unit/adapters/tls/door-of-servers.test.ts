// A door that stays shut, server side: no octet of a wrong client reaches the application, none of the
// application leaves.

import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { setImmediate as turn } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { ConnectionOptions, Server } from 'node:tls'
import {
  createHttp2Server,
  createHttpsServer,
  createTlsServer,
  guardServer,
  peerOf,
  tlsServerOptions,
} from '../../../../src/adapters/tls/index.ts'
import { requireTlsIdentity } from '../../../../src/adapters/tls/tls-identity.ts'
import type { Certificate } from '../../../../src/x509/index.ts'
import { createServer as createHttps } from 'node:https'
import { code } from '../../../support/codes.ts'
import {
  openWorld,
  peerId,
  portOf,
  rawHttp2Request,
  rawRequest,
  serialOf,
  withoutRoot,
  wrongPeersOf,
} from './door-fixtures.ts'
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

/** As if too many clients had come. */
function forgetChains(): void {
  const { chains } = requireTlsIdentity(world.identity).verifier
  const large = Object({ der: new Uint8Array(17 * 1024 * 1024) }) as Certificate
  chains.set(large, [large])
  expect(chains.size).toBe(0)
}

/** Sends a request of a client that is not ours. */
type Ask = (port: number, options: ConnectionOptions) => Promise<RawAnswer>
const asking =
  (text: string): Ask =>
  (port, options) =>
    rawRequest(port, text, options)

const transports: readonly [string, () => Server, Ask][] = [
  [
    'tls',
    () =>
      createTlsServer(world.identity, { authorize: peerId }, (socket) => {
        heard.push(String(peerOf(socket)?.id))
        socket.on('data', () => socket.end('granted'))
      }),
    asking('hello'),
  ],
  [
    'https',
    () =>
      createHttpsServer(world.identity, { authorize: peerId }, (incoming, response) => {
        heard.push(String(peerOf(incoming.socket)?.id))
        response.end('granted')
      }),
    asking(request),
  ],
  [
    'http2',
    () =>
      createHttp2Server(world.identity, { authorize: peerId }, (incoming, response) => {
        heard.push(String(peerOf(incoming.stream.session!.socket)?.id))
        response.end('granted')
      }),
    (port, options) => rawHttp2Request(port, { ':method': 'POST', ':path': '/secret' }, options),
  ],
  [
    'http2 with HTTP/1',
    () =>
      createHttp2Server(world.identity, { authorize: peerId, node: { allowHTTP1: true } }, (_, response) => {
        heard.push(peerId)
        response.end('granted')
      }),
    asking(request),
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
    asking(request),
  ],
]

describe.each(transports)('%s', (_, open, ask) => {
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
      const only = { minVersion: version, maxVersion: version }
      return ask(port, { ...credentials, ...only, ...(session && { session }) })
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

    test(`${version}: a session without its chain is not resumed, and its client is served`, async () => {
      const credentials = await world.credentialsOf(peerId)
      const first = await send(credentials)
      expect(first.session).toBeDefined()
      forgetChains()
      const again = await send(credentials, first.session)
      expect(again).toMatchObject({ resumed: false })
      expect(again.text).toContain('granted')
      expect(heard).toEqual([peerId])
    })

    test.each(wrongPeersOf(() => world))(`${version}: refuses %s`, async (_name, credentialsOf) => {
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
      const credentials = await world.credentialsOf(peerId)
      const { session } = await send(credentials)
      await withoutRoot(world, async () => {
        expect(await send(credentials, session)).toMatchObject({ text: '', resumed: true })
        expect(heard).toEqual([])
      })
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

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a kept connection of %s', (version) => {
  const closings: readonly [
    string,
    (credentials: Credentials, meanwhile: () => Promise<void>) => Promise<void>,
  ][] = [
    [
      'a revocation',
      async (credentials, meanwhile) => {
        world.revoked.add(serialOf(credentials))
        await meanwhile()
      },
    ],
    ['the removal of its root', (_, meanwhile) => withoutRoot(world, meanwhile)],
  ]
  test.each(closings)('serves no second request after %s', async (_, change) => {
    heard = []
    const server = createHttpsServer(world.identity, { authorize: peerId }, (incoming, response) => {
      heard.push(String(peerOf(incoming.socket)?.id))
      response.end('granted')
    })
    const credentials = await world.credentialsOf(peerId)
    const only = { minVersion: version, maxVersion: version, rejectUnauthorized: false }
    const socket = connect({ host: '127.0.0.1', port: await portOf(server), ...credentials, ...only })
    socket.on('error', () => undefined)
    const closed = once(socket, 'close')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    await change(credentials, async () => {
      expect(world.identity.recheck()).toBe(1)
      socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      await closed
    })
    expect(heard).toEqual([peerId])
    server.close()
  })

  test('and its session end by themselves where the bundles tell of a removed root', async () => {
    const telling = await openWorld({ tells: true })
    const server = createTlsServer(telling.identity, { authorize: peerId }, (socket) => {
      socket.on('error', () => undefined)
      socket.write('granted')
    })
    const port = await portOf(server)
    const credentials = await telling.credentialsOf(peerId)
    const only = { minVersion: version, maxVersion: version }
    const kept = rawRequest(port, 'hello', { ...credentials, ...only })
    await expect.poll(() => telling.identity.connections.size).toBe(1)
    await withoutRoot(telling, async () => {
      const { text, session } = await kept
      expect([text, session === undefined]).toEqual(['granted', false])
      const again = await rawRequest(port, 'hello', { ...credentials, ...only, ...(session && { session }) })
      expect(again).toMatchObject({ text: '', resumed: false })
    })
    await turn()
    server.close()
    await telling.identity[Symbol.asyncDispose]()
    await telling.source[Symbol.asyncDispose]()
  })
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
