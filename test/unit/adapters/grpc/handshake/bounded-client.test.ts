// Which certificates of a server reach OpenSSL, in handshakes of every form.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket, connect as connectTls, createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { boundedClient } from '../../../../../src/adapters/grpc/handshake/index.ts'
import { connectedPair } from '../../../../support/bounded-tls.ts'
import { inPieces, refusedChains, usualChains } from '../../../../support/handshake-chains.ts'

interface Pair {
  readonly client: TLSSocket
  readonly server: TLSSocket
  readonly raw: Socket
}

const opened = new Set<{ destroy(): void }>()
afterEach(() => {
  for (const one of opened) one.destroy()
  opened.clear()
})

/** A handshake that begins; `transport`: what the server has below TLS. */
async function open(options: SecureContextOptions, transport = (raw: Socket): Duplex => raw): Promise<Pair> {
  const { raw, below } = await connectedPair()
  const server = new TLSSocket(transport(below), {
    ...{ isServer: true, requestCert: true, rejectUnauthorized: false },
    secureContext: createSecureContext(options),
  })
  const client = boundedClient(raw, (socket) =>
    connectTls({ socket, rejectUnauthorized: false, ecdhCurve: 'X25519:P-256:P-384:P-521' }),
  )
  for (const one of [client, server, below, raw]) {
    one.on('error', () => undefined)
    opened.add(one)
  }
  return { client, server, raw }
}

const asIs = (raw: Socket): Duplex => raw
const forms: readonly (readonly [string, SecureContextOptions, (raw: Socket) => Duplex])[] = [
  ['TLS 1.3', { minVersion: 'TLSv1.3' }, asIs],
  ['TLS 1.3 with AES-128', { ciphers: 'TLS_AES_128_GCM_SHA256' }, asIs],
  ['TLS 1.3 with ChaCha20', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }, asIs],
  ['TLS 1.3 with two ClientHellos', { minVersion: 'TLSv1.3', ecdhCurve: 'P-384:P-521' }, asIs],
  ['TLS 1.3 in pieces', { minVersion: 'TLSv1.3' }, inPieces],
  ['TLS 1.2', { maxVersion: 'TLSv1.2' }, asIs],
  ['TLS 1.2 in pieces', { maxVersion: 'TLSv1.2' }, inPieces],
]

describe.each(forms)('a handshake of %s', (form, options, transport) => {
  it.each(usualChains)('with a chain of %s ends, and data passes both ways', async (__, chain) => {
    const { client, server } = await open({ ecdhCurve: 'P-256:P-384:P-521', ...options, ...chain }, transport)
    server.write('with the end of the handshake')
    client.write('first')
    expect(String(((await once(server, 'data')) as [Buffer])[0])).toBe('first')
    expect(String(((await once(client, 'data')) as [Buffer])[0])).toContain('with')
    expect(client.getPeerCertificate().raw).toBeDefined()
  })

  // The server's OpenSSL takes half a second for explicit parameters: once for each version is enough.
  const chains = refusedChains.filter(([what]) => what !== 'explicit parameters' || /^TLS 1\.\d$/.test(form))
  it.each(chains)('with %s is refused, and OpenSSL does not get it', async (__, chain) => {
    const { client, raw } = await open({ ...options, ...chain }, transport)
    const secured = vi.fn()
    client.on('secureConnect', secured)
    const [error] = (await once(client, 'error')) as [unknown]
    expect(error).toMatchObject({ code: 'ERR_TLS_PEER' })
    expect(client.getPeerCertificate()).toEqual(null)
    expect(secured).not.toHaveBeenCalled()
    expect(raw.destroyed).toBe(true)
  })
})

describe('boundedClient', () => {
  it('refuses a handshake of more than 128 KiB', async () => {
    const { raw, below } = await connectedPair()
    const client = boundedClient(raw, (socket) => connectTls({ socket, maxVersion: 'TLSv1.2' }))
    for (const one of [client, below, raw]) opened.add(one)
    below.on('error', () => undefined)
    // OpenSSL passes over any number of HelloRequests before a ServerHello (RFC 5246 §7.4.1.1).
    below.write(Buffer.alloc(9 * 15_000, Buffer.of(22, 3, 3, 0, 4, 0, 0, 0, 0)))
    const [error] = (await once(client, 'error')) as [unknown]
    expect(error).toMatchObject({
      code: 'ERR_TLS_PEER',
      message: expect.stringMatching(/ octets or more; expected at most 131072$/) as unknown,
    })
    expect(raw.destroyed).toBe(true)
  })

  it('keeps the process running, and stops keeping it, by the socket below TLS', async () => {
    const { client, raw } = await open(usualChains[0]?.[1] ?? {})
    const calls = [vi.spyOn(raw, 'ref'), vi.spyOn(raw, 'unref')]
    expect(client.unref()).toBe(client)
    expect(client.ref()).toBe(client)
    for (const call of calls) expect(call).toHaveBeenCalledOnce()
  })
})
