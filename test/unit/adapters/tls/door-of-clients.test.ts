// A door that stays shut, client side: not one octet of the application reaches a wrong server.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { SecureClientSessionOptions } from 'node:http2'
import * as https from 'node:https'
import { connect } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { Agent as UndiciAgent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectTls,
  fetchDispatcher,
  httpsAgent,
  tlsClientOptions,
} from '../../../../src/adapters/tls/index.ts'
import { code } from '../../../support/codes.ts'
import {
  openWorld,
  peerId,
  rawHttp2Server,
  rawServer,
  serialOf,
  withoutRoot,
  wrongPeersOf,
} from './door-fixtures.ts'
import type { Credentials, RawServer, World } from './door-fixtures.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

/** Sends a request to the port and gives what came back; throws what refuses the server. */
type Send = (port: number) => Promise<string>

function get(options: https.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    https
      .get({ host: '127.0.0.1', path: '/secret', ...options }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('end', () => {
          resolve(text)
        })
      })
      .on('error', reject)
  })
}

function getHttp2(port: number, options: SecureClientSessionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, options)
    session.on('error', reject)
    const stream = session.request({ ':path': '/secret' })
    let text = ''
    stream.setEncoding('utf8').on('data', (part: string) => (text += part))
    stream.on('error', reject)
    stream.on('end', () => {
      session.destroy()
      resolve(text)
    })
  })
}

async function converse(socket: ReturnType<typeof connect>): Promise<string> {
  // At once, before anything is known of the server.
  socket.write('GET /secret HTTP/1.1\r\n\r\n')
  const [octets] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return octets.toString('latin1')
}

interface Transport {
  readonly open: () => Promise<Send>
  readonly resumes?: boolean
  /** Whether one connection carries the requests: then `recheck` ends it. */
  readonly keeps?: boolean
  readonly serve?: typeof rawServer
}

const fetching = async (headers: Record<string, string>): Promise<Send> =>
  fetchingBy(await fetchDispatcher(world.identity, { id: peerId }), headers)

function fetchingBy(dispatcher: UndiciAgent, headers: Record<string, string>): Send {
  return async (port) => {
    const response = await undiciFetch(`https://127.0.0.1:${port}/secret`, { dispatcher, headers }).catch(
      (error: unknown) => {
        throw (error as { cause?: unknown }).cause
      },
    )
    return response.text()
  }
}

const transports: readonly [string, Transport][] = [
  [
    'tls',
    {
      open: async () => (port) =>
        converse(connectTls(world.identity, { id: peerId, host: '127.0.0.1', port })),
    },
  ],
  [
    'an https agent',
    {
      open: async () => {
        // Without kept-alive connections each request is a handshake, resumed where the server allows it.
        const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: false } })
        return (port) => get({ port, agent })
      },
      resumes: true,
    },
  ],
  [
    'an https agent that keeps connections',
    {
      open: async () => {
        const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: true } })
        return (port) => get({ port, agent })
      },
      keeps: true,
    },
  ],
  [
    "Node's default agent with our options",
    {
      open: async () => (port) => get({ port, ...tlsClientOptions(world.identity, { id: peerId }) }),
    },
  ],
  [
    'tls.connect with our options',
    {
      open: async () => (port) =>
        converse(connect({ host: '127.0.0.1', port, ...tlsClientOptions(world.identity, { id: peerId }) })),
    },
  ],
  [
    'http2',
    {
      open: async () => (port) =>
        getHttp2(port, {
          createConnection: () =>
            connectTls(world.identity, { id: peerId, host: '127.0.0.1', port, alpn: ['h2'] }),
        }),
      serve: rawHttp2Server,
    },
  ],
  [
    "Node's agent that keeps connections, with our options",
    {
      open: async () => {
        const agent = new https.Agent({
          ...tlsClientOptions(world.identity, { id: peerId }),
          keepAlive: true,
        })
        return (port) => get({ port, agent })
      },
      keeps: true,
    },
  ],
  [
    'http2.connect with our options',
    {
      open: async () => (port) => getHttp2(port, tlsClientOptions(world.identity, { id: peerId })),
      serve: rawHttp2Server,
    },
  ],
  [
    "undici's own agent with our options",
    {
      open: async () => {
        const connect = tlsClientOptions(world.identity, { id: peerId })
        return fetchingBy(new UndiciAgent({ connect: connect as never }), { connection: 'close' })
      },
    },
  ],
  ['fetch', { open: () => fetching({ connection: 'close' }), resumes: true }],
  ['fetch that keeps connections', { open: () => fetching({}), keeps: true }],
]

async function withServer(
  credentials: Credentials,
  options: TlsOptions,
  run: (raw: RawServer) => Promise<void>,
  serve = rawServer,
): Promise<void> {
  const raw = await serve(credentials, options)
  try {
    await run(raw)
  } finally {
    raw.server.close()
  }
}

describe.each(transports)('%s', (_, { open, resumes = false, keeps = false, serve }) => {
  let send: Send
  /** What was sent until now; a session of HTTP/2 has a last word. */
  const forget = async (raw: RawServer): Promise<void> => {
    if (serve !== undefined) await expect.poll(() => raw.open).toBe(0)
    raw.received = ''
  }
  beforeAll(async () => {
    send = await open()
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only: TlsOptions = { minVersion: version, maxVersion: version }

    test(`${version}: talks to the right server, again and again`, async () => {
      await withServer(
        await world.credentialsOf(peerId),
        only,
        async (raw) => {
          for (let i = 0; i < 3; i++) expect(await send(raw.port)).toContain('hello')
          expect(raw.received).not.toBe('')
          // Node's servers issue no new session with a resumed one.
          if (!keeps) expect(raw.resumed).toBe(resumes ? 2 : 0)
        },
        serve,
      )
    })

    test.each(wrongPeersOf(() => world))(`${version}: sends nothing to %s`, async (_name, credentialsOf) => {
      await withServer(
        await credentialsOf(),
        only,
        async (raw) => {
          await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
          await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
          expect(raw.received).toBe('')
        },
        serve,
      )
    })

    test(`${version}: sends nothing to a server that was revoked since`, async () => {
      const credentials = await world.credentialsOf(peerId)
      await withServer(
        credentials,
        only,
        async (raw) => {
          await send(raw.port)
          await forget(raw)
          world.revoked.add(serialOf(credentials))
          if (keeps) expect(world.identity.recheck()).toBeGreaterThan(0)
          await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
          expect(raw.received).toBe('')
          // The session of a refused server is not used again.
          world.revoked.delete(serialOf(credentials))
          expect(await send(raw.port)).toContain('hello')
          expect(raw.lastResumed).toBe(false)
        },
        serve,
      )
    })

    test(`${version}: sends nothing to a server whose root was removed since`, async () => {
      await withServer(
        await world.credentialsOf(peerId),
        only,
        async (raw) => {
          await send(raw.port)
          await forget(raw)
          await withoutRoot(world, async () => {
            if (keeps) expect(world.identity.recheck()).toBeGreaterThan(0)
            await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
            expect(raw.received).toBe('')
          })
        },
        serve,
      )
    })
  }

  // A kept connection shows one certificate.
  if (keeps) return
  test('sends nothing to a server that shows another certificate the second time', async () => {
    await withServer(
      await world.credentialsOf(peerId),
      {},
      async (raw) => {
        await send(raw.port)
        await forget(raw)
        raw.server.setSecureContext({
          ...(await world.credentialsOf('spiffe://example.org/other')),
          requestCert: true,
        } as never)
        await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
        expect(raw.received).toBe('')
      },
      serve,
    )
  })
})

test('a kept-alive connection for one SPIFFE ID does not serve another', async () => {
  await withServer(await world.credentialsOf(peerId), {}, async (raw) => {
    const agent = new https.Agent({ keepAlive: true })
    const options = (id: string): https.RequestOptions => ({
      port: raw.port,
      agent,
      ...tlsClientOptions(world.identity, { id }),
    })
    expect(await get(options(peerId))).toContain('hello')
    raw.received = ''
    await expect(get(options('spiffe://example.org/other'))).rejects.toThrow(code('ERR_TLS_PEER'))
    expect(raw.received).toBe('')
    agent.destroy()
  })
})

test('slips do not open the door', async () => {
  const bad: unknown[] = [
    {},
    { id: undefined },
    { ID: peerId },
    { id: '' },
    { id: null },
    undefined,
    { id: peerId, maxSessions: -1 },
  ]
  const refusal = expect.objectContaining({
    code: expect.stringMatching(/^ERR_(INVALID_ARGUMENT|SPIFFE_ID_INVALID)$/),
  })
  for (const options of bad) {
    expect(() => httpsAgent(world.identity, options as never)).toThrow(refusal)
    expect(() => tlsClientOptions(world.identity, options as never)).toThrow(refusal)
    await expect(fetchDispatcher(world.identity, options as never)).rejects.toThrow(refusal)
  }
})
