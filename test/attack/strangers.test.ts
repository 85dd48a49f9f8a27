// What a caller without a credential can do to a server in a process of its own: its event loop, its memory,
// and its other callers.

import { once } from 'node:events'
import { connect as http2Connect, constants } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { buildCertificate, generalName } from '../../src/x509/index.ts'
import { AttackedServer } from '../support/attacked.ts'

interface Stats {
  readonly octets: number
  readonly connections: number
}

let server: AttackedServer
beforeAll(async () => {
  server = await AttackedServer.start(200)
})
afterAll(() => server[Symbol.dispose]())

async function session(options: { cert?: string; key?: string } = {}): Promise<ClientHttp2Session> {
  const opened = http2Connect(`https://localhost:${server.port}`, { rejectUnauthorized: false, ...options })
  opened.on('error', () => undefined)
  await once(opened, 'remoteSettings')
  return opened
}

function open(on: ClientHttp2Session, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream {
  const stream = on.request({
    ':method': 'POST',
    ':path': '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  })
  stream.on('error', () => undefined)
  return stream.resume()
}

const emptyMessage = Buffer.alloc(5)
const closed = (stream: ClientHttp2Stream): Promise<unknown> =>
  stream.closed ? Promise.resolve() : once(stream, 'close').catch(() => undefined)

/** Ten certificates in a ring: every one verifies by the next, and none leads to a root. */
async function ring(algorithm: 'P-256' | 'P-521'): Promise<{ cert: string; key: string }> {
  const signers = await Promise.all(Array.from({ length: 10 }, () => SoftwareSigner.generate(algorithm)))
  const [notBefore, notAfter] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 3_600_000)]
  const pems = signers.map(async (signer, index) => {
    const issuer = signers[(index + 1) % signers.length] as SoftwareSigner
    const certificate = await buildCertificate(
      {
        issuer: 'CN=x',
        subject: index === 0 ? '' : 'CN=x',
        publicKey: signer.publicKey,
        notBefore,
        notAfter,
        extensions:
          index === 0
            ? {
                keyUsage: ['digitalSignature'],
                subjectAltName: [generalName.uri('spiffe://example.org/stranger')],
              }
            : {
                basicConstraints: { ca: true, pathLength: undefined },
                keyUsage: ['keyCertSign'],
                subjectKeyIdentifier: signer.publicKey,
              },
      },
      issuer,
    )
    return certificate.toPem()
  })
  const [first] = signers as [SoftwareSigner]
  return { cert: (await Promise.all(pems)).join(''), key: exportPrivateKey(first.privateKey()) }
}

describe('a stranger', () => {
  it.each(['P-256', 'P-521'] as const)(
    'with 1,000 calls and a chain of ten %s certificates stops nothing',
    async (algorithm) => {
      const attacker = await session(await ring(algorithm))
      await server.ask('reset')
      const streams = Array.from({ length: 1000 }, () => open(attacker))
      const ends = streams.map(closed)
      for (const stream of streams) stream.end(emptyMessage)
      await Promise.all(ends)
      expect(await server.stallMs()).toBeLessThanOrEqual(200)
      attacker.destroy()
    },
  )

  it('with 10,000 half requests keeps no memory, and others are served', async () => {
    const before = await server.ask<Stats>('stats')
    const sessions = await Promise.all(Array.from({ length: 80 }, () => session()))
    await server.ask('reset')
    for (const attacker of sessions)
      for (let count = 0; count < 125; count++)
        open(attacker, { 'x-a': 'y'.repeat(4000) }).write(Buffer.alloc(1))
    expect(await server.goodCaller(40)).toBeGreaterThanOrEqual(38)
    expect(await server.stallMs()).toBeLessThanOrEqual(200)
    await Promise.all(
      sessions.map((one) =>
        one.closed || one.destroyed ? Promise.resolve() : once(one, 'close').catch(() => undefined),
      ),
    )
    await expect.poll(async () => (await server.ask<Stats>('stats')).connections).toBe(0)
    expect((await server.ask<Stats>('stats')).octets).toBeLessThanOrEqual(before.octets * 1.2)
  })

  it('with 5,000 silent connections keeps no memory, and others are served', async () => {
    const before = await server.ask<Stats>('stats')
    const ends: Promise<unknown>[] = []
    for (let count = 0; count < 5000; count++) {
      const options = { port: server.port, host: '127.0.0.1' }
      const socket =
        count % 10 === 0 ? tlsConnect({ ...options, rejectUnauthorized: false }) : tcpConnect(options)
      socket.on('error', () => undefined)
      socket.resume()
      ends.push(once(socket, 'close').catch(() => undefined))
      if (count % 250 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await server.goodCaller(40)).toBeGreaterThanOrEqual(38)
    await Promise.all(ends)
    await expect.poll(async () => (await server.ask<Stats>('stats')).connections).toBe(0)
    expect((await server.ask<Stats>('stats')).octets).toBeLessThanOrEqual(before.octets * 1.2)
  })

  it('with 1,000 abandoned calls keeps no memory, and others are served', async () => {
    const before = await server.ask<Stats>('stats')
    for (let count = 0; count < 63; count++) {
      const attacker = await session()
      const streams = Array.from({ length: 16 }, () => open(attacker, { 'x-caller': 'slow' }))
      const answered = streams.map(closed)
      for (const stream of streams) stream.end(emptyMessage, () => stream.close(constants.NGHTTP2_CANCEL))
      await Promise.all(answered)
      attacker.destroy()
    }
    expect(await server.goodCaller(40)).toBeGreaterThanOrEqual(38)
    await server.ask('release')
    await expect.poll(async () => (await server.ask<Stats>('stats')).connections).toBe(0)
    expect((await server.ask<Stats>('stats')).octets).toBeLessThanOrEqual(before.octets * 1.2)
  })
})
