// A door that stays shut, client side: not one octet of the application reaches a wrong server.

import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import * as https from 'node:https'
import { connect } from 'node:tls'
import type { TlsOptions } from 'node:tls'
import { fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectTls,
  fetchDispatcher,
  httpsAgent,
  tlsClientOptions,
} from '../../../../src/adapters/tls/index.ts'
import { code } from '../../../support/codes.ts'
import { openWorld, peerId, rawServer, serialOf } from './door-fixtures.ts'
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

async function converse(socket: ReturnType<typeof connect>): Promise<string> {
  // At once, before anything is known of the server.
  socket.write('GET /secret HTTP/1.1\r\n\r\n')
  const [octets] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return octets.toString('latin1')
}

const transports: readonly [string, () => Promise<Send>, resumes: boolean][] = [
  [
    'tls',
    async () => (port) => converse(connectTls(world.identity, { id: peerId, host: '127.0.0.1', port })),
    false,
  ],
  [
    'an https agent',
    async () => {
      // Without kept-alive connections each request is a handshake, resumed where the server allows it.
      const agent = httpsAgent(world.identity, { id: peerId, node: { keepAlive: false } })
      return (port) => get({ port, agent })
    },
    true,
  ],
  [
    "Node's default agent with our options",
    async () => (port) => get({ port, ...tlsClientOptions(world.identity, { id: peerId }) }),
    false,
  ],
  [
    'tls.connect with our options',
    async () => (port) =>
      converse(connect({ host: '127.0.0.1', port, ...tlsClientOptions(world.identity, { id: peerId }) })),
    false,
  ],
  [
    'fetch',
    async () => {
      const dispatcher = await fetchDispatcher(world.identity, { id: peerId })
      return async (port) => {
        const response = await undiciFetch(`https://127.0.0.1:${port}/secret`, {
          dispatcher,
          headers: { connection: 'close' },
        }).catch((error: unknown) => {
          throw (error as { cause?: unknown }).cause
        })
        return response.text()
      }
    },
    true,
  ],
]

const wrongServers: readonly [string, () => Promise<Credentials>][] = [
  ['another ID', () => world.credentialsOf('spiffe://example.org/other')],
  [
    'the same path of another domain',
    () => world.credentialsOf('spiffe://example.com/peer', { domain: 'example.com' }),
  ],
  ['the root of an impostor', () => world.credentialsOf(peerId, { domain: 'impostor' })],
  ['an expired certificate', () => world.credentialsOf(peerId, { ttlSeconds: 600 })],
  [
    'a revoked certificate',
    async () => {
      const credentials = await world.credentialsOf(peerId)
      world.revoked.add(serialOf(credentials))
      return credentials
    },
  ],
]

async function withServer(
  credentials: Credentials,
  options: TlsOptions,
  run: (raw: RawServer) => Promise<void>,
): Promise<void> {
  const raw = await rawServer(credentials, options)
  try {
    await run(raw)
  } finally {
    raw.server.close()
  }
}

describe.each(transports)('%s', (_, open, resumes) => {
  let send: Send
  beforeAll(async () => {
    send = await open()
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only: TlsOptions = { minVersion: version, maxVersion: version }

    test(`${version}: talks to the right server, again and again`, async () => {
      await withServer(await world.credentialsOf(peerId), only, async (raw) => {
        for (let i = 0; i < 3; i++) expect(await send(raw.port)).toContain('hello')
        expect(raw.received).toContain('/secret')
        // Node's servers issue no new session with a resumed one.
        expect(raw.resumed).toBe(resumes ? 2 : 0)
      })
    })

    test.each(wrongServers)(`${version}: sends nothing to %s`, async (_name, credentialsOf) => {
      await withServer(await credentialsOf(), only, async (raw) => {
        await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
        await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
        expect(raw.received).toBe('')
      })
    })

    test(`${version}: sends nothing to a server that was revoked since`, async () => {
      const credentials = await world.credentialsOf(peerId)
      await withServer(credentials, only, async (raw) => {
        await send(raw.port)
        raw.received = ''
        world.revoked.add(serialOf(credentials))
        await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
        expect(raw.received).toBe('')
        // The session of a refused server is not used again.
        world.revoked.delete(serialOf(credentials))
        expect(await send(raw.port)).toContain('hello')
        expect(raw.lastResumed).toBe(false)
      })
    })

    test(`${version}: sends nothing to a server whose root was removed since`, async () => {
      const before = world.bundles.bundles[1]!
      await withServer(await world.credentialsOf(peerId), only, async (raw) => {
        await send(raw.port)
        raw.received = ''
        world.bundles.set(before.with({ x509Authorities: world.impostor.trustBundle().x509Authorities }))
        try {
          await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
          expect(raw.received).toBe('')
        } finally {
          world.bundles.set(before)
        }
      })
    })
  }

  test('sends nothing to a server that shows another certificate the second time', async () => {
    await withServer(await world.credentialsOf(peerId), {}, async (raw) => {
      await send(raw.port)
      raw.received = ''
      raw.server.setSecureContext({
        ...(await world.credentialsOf('spiffe://example.org/other')),
        requestCert: true,
      } as never)
      await expect(send(raw.port)).rejects.toBeInstanceOf(Error)
      expect(raw.received).toBe('')
    })
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

test('http2 over a guarded connection', async () => {
  await withServer(
    await world.credentialsOf('spiffe://example.org/other'),
    { ALPNProtocols: ['h2'] },
    async (raw) => {
      const session = connectHttp2(`https://127.0.0.1:${raw.port}`, {
        createConnection: () =>
          connectTls(world.identity, { id: peerId, host: '127.0.0.1', port: raw.port, alpn: ['h2'] }),
      })
      const stream = session.request({ ':path': '/secret' })
      stream.on('error', () => undefined)
      const [error] = (await once(session, 'error')) as [Error]
      expect(error).toEqual(code('ERR_TLS_PEER'))
      expect(raw.received).toBe('')
      session.destroy()
    },
  )
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
