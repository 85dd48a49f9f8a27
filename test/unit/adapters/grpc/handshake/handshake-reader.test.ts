// Which certificates of a client reach OpenSSL, in handshakes of every form.

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { once } from 'node:events'
import type { ConnectionOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { HandshakeReader, recordLength } from '../../../../../src/adapters/grpc/handshake/handshake-reader.ts'
import { TlsPairs } from '../../../../support/bounded-tls.ts'
import { inPieces, refusedChains, usualChains } from '../../../../support/handshake-chains.ts'

const pairs = await TlsPairs.start()

const asIs = (raw: Socket): Duplex => raw

const forms: readonly (readonly [string, ConnectionOptions, (raw: Socket) => Duplex])[] = [
  ['TLS 1.3', { minVersion: 'TLSv1.3' }, asIs],
  ['TLS 1.3 with AES-128', { ciphers: 'TLS_AES_128_GCM_SHA256' }, asIs],
  ['TLS 1.3 with ChaCha20', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }, asIs],
  ['TLS 1.3 with two ClientHellos', { minVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-256' }, asIs],
  ['TLS 1.3 in pieces', { minVersion: 'TLSv1.3' }, inPieces],
  ['TLS 1.2', { maxVersion: 'TLSv1.2' }, asIs],
  ['TLS 1.2 in pieces', { maxVersion: 'TLSv1.2' }, inPieces],
]

describe.each(forms)('a handshake of %s', (form, options, transport) => {
  it.each(usualChains)('with a chain of %s ends, and the server has the certificate', async (__, chain) => {
    const { client, server, refused } = await pairs.open(16_384, { ...options, ...chain }, transport)
    client.write('first')
    expect(String(((await once(server, 'data')) as [Buffer])[0])).toBe('first')
    expect(server.getPeerCertificate().raw).toBeDefined()
    expect(refused).not.toHaveBeenCalled()
  })

  // The client's OpenSSL takes half a second for explicit parameters: once for each version is enough.
  const chains = refusedChains.filter(([what]) => what !== 'explicit parameters' || /^TLS 1\.\d$/.test(form))
  it.each(chains)('with %s is refused, and OpenSSL does not get it', async (__, chain, code) => {
    const { server, refused } = await pairs.open(16_384, { ...options, ...chain }, transport)
    await expect.poll(() => refused.mock.calls).toEqual([[expect.objectContaining({ code })]])
    expect(server.getPeerCertificate()).toEqual(null)
  })
})

describe('HandshakeReader', () => {
  it('refuses an encrypted record before its secret, and one that is not the next', () => {
    const record = Buffer.concat([Buffer.of(23, 3, 3, 0, 40), randomBytes(40)])
    const reader = new HandshakeReader('client')
    expect(reader.read(record)).toBeDefined()
    const line = Buffer.from(`CLIENT_HANDSHAKE_TRAFFIC_SECRET ${'00'.repeat(32)} ${'11'.repeat(32)}\n`)
    const cipher = { name: '', version: '', standardName: 'TLS_AES_128_GCM_SHA256' }
    reader.keylog(line, { getCipher: () => cipher })
    expect(reader.read(record)).toBeDefined()
  })

  it('refuses compressed certificates, and a list whose lengths do not agree', () => {
    const plain = (...content: readonly number[]): Buffer =>
      Buffer.of(22, 3, 3, 0, content.length, ...content)
    expect(new HandshakeReader('client').read(plain(25, 0, 0, 1, 0))).toBeDefined()
    expect(new HandshakeReader('client').read(plain(11, 0, 0, 4, 0, 0, 2, 0))).toBeDefined()
    expect(new HandshakeReader('client').read(plain(11, 0, 0, 7, 0, 0, 4, 0, 0, 2, 0))).toBeDefined()
    expect(new HandshakeReader('client').read(plain(11, 0, 0, 3, 0, 0, 0))).toBeUndefined()
  })

  it('throws for no octets', () => {
    for (let count = 0; count < 2_000; count++) {
      const octets = randomBytes(count % 70)
      if (octets.length > 0) octets[0] = 20 + (count % 5)
      if (octets.length > 5) octets[5] = count % 3 === 0 ? 11 : (octets[5] as number)
      recordLength(octets)
      expect(() => new HandshakeReader('client').read(octets)).not.toThrow()
    }
  })
})

describe('recordLength', () => {
  it.each([
    [Buffer.of(), undefined],
    [Buffer.of(22, 3, 3, 0), undefined],
    [Buffer.of(22, 3, 3, 1, 2), 263],
    [Buffer.from('G'), expect.objectContaining({})],
    [Buffer.of(0x80), expect.objectContaining({})],
    [Buffer.of(22, 3, 3, 255, 255), expect.objectContaining({})],
  ])('of %s is %s', (octets, expected) => {
    expect(recordLength(octets)).toEqual(expected)
  })
})
