// What the certificates of a stranger can do in a TLS handshake, to a server and to a client.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import type { Server } from 'node:tls'
import { Client } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateClient, grpcChannelCredentials } from '../../src/adapters/grpc/index.ts'
import { AttackedServer } from '../support/attacked.ts'
import { newRequest, testPki } from '../support/pki.ts'
import { slowChain, slowCurve, slowField, slowRsa } from '../support/slow-chain.ts'
import type { SlowChain } from '../support/slow-chain.ts'
import { tlsIdentityOf } from '../support/tls-identity.ts'

let server: AttackedServer
beforeAll(async () => {
  server = await AttackedServer.start(20)
})
afterAll(() => server[Symbol.dispose]())

/** A handshake from another address than that of the good caller; resolves when the connection is closed. */
async function shake(
  { cert, key }: SlowChain,
  maxVersion: 'TLSv1.2' | 'TLSv1.3',
  port: number = server.port,
): Promise<void> {
  const socket = connect({
    ...{ host: '127.0.0.1', port, localAddress: '127.0.0.2', ALPNProtocols: ['h2'] },
    ...{ cert, key, maxVersion, rejectUnauthorized: false },
  })
  socket.on('error', () => undefined)
  socket.write('data in the segment of the end of the handshake')
  socket.resume()
  await once(socket, 'close').catch(() => undefined)
}

describe.each(['port', 'meshPort'] as const)('a stranger at the %s', (name) => {
  it.each([
    ['74 of RSA-3072 with an exponent of 3,072 bits', slowChain(74, slowRsa(3072, 3072))],
    ['9 of RSA-3072 with an exponent of 3,072 bits', slowChain(9, slowRsa(3072, 3072))],
    ['90 of RSA-2048 with an exponent of 2,048 bits', slowChain(90, slowRsa(2048, 2048))],
    ['6 of RSA-8192 with an exponent of 64 bits', slowChain(6, slowRsa(8192, 64))],
    ['9 of P-521', slowChain(9, slowCurve('P-521', 521))],
    ['9 of brainpoolP512t1', slowChain(9, slowCurve('brainpoolP512t1', 512))],
    ['9 of sect571k1', slowChain(9, slowCurve('sect571k1', 570))],
    ['99 of sect571k1', slowChain(99, slowCurve('sect571k1', 570))],
    ['one with explicit parameters of 660 bits', slowChain(1, slowField())],
  ] as const)('with chains of %s stops nothing, and others are served', async (_, chain) => {
    await server.ask('reset')
    const shaken = Array.from({ length: 12 }, (_, index) =>
      shake(chain, index % 2 ? 'TLSv1.2' : 'TLSv1.3', server[name]),
    )
    expect(await server.goodCaller(20)).toBeGreaterThanOrEqual(19)
    await Promise.all(shaken)
    expect(await server.stallMs()).toBeLessThanOrEqual(200)
  })

  it('whose handshake fails before the end of its segment does not end the process', async () => {
    for (let issuers = 0; issuers < 10; issuers++)
      for (const curve of [slowCurve('P-256', 256), slowCurve('P-384', 384)]) {
        const chain = slowChain(issuers, curve)
        await Promise.all([shake(chain, 'TLSv1.2', server[name]), shake(chain, 'TLSv1.3', server[name])])
      }
    expect(await server.goodCaller(20)).toBe(20)
    expect(server.isRunning).toBe(true)
  })
})

describe.each([
  ['74 of RSA-3072 with an exponent of 3,072 bits', slowChain(74, slowRsa(3072, 3072))],
  ['99 of sect571k1', slowChain(99, slowCurve('sect571k1', 570))],
  ['one with explicit parameters of 660 bits', slowChain(1, slowField())],
])('a process at the address of a server with a chain of %s', (_, { cert, key }) => {
  let stranger: Server
  beforeAll(async () => {
    stranger = createServer({ cert, key, ALPNProtocols: ['h2'] })
    stranger.on('tlsClientError', () => undefined).listen(0)
    await once(stranger, 'listening')
  })
  afterAll(() => void stranger.close())
  const address = (): string => `localhost:${(stranger.address() as AddressInfo).port}`

  it('does not stop a certificate client', async () => {
    const [{ root }, { request }] = await Promise.all([testPki(), newRequest()])
    await using client = await createCertificateClient({
      ...{ address: address(), tls: () => ({ roots: root.toPem() }), retry: { attempts: 1 } },
    })
    expect(
      await stallMs(() => expect(client.createCertificate(request)).rejects.toThrow(refused)),
    ).toBeLessThanOrEqual(100)
  })

  it('does not stop a client with grpcChannelCredentials', async () => {
    await using identity = await tlsIdentityOf(await testPki(), 'spiffe://example.org/client')
    const credentials = await grpcChannelCredentials(identity, { id: 'spiffe://example.org/served' })
    const client = new Client(address(), credentials)
    const octets = (bytes: Buffer): Buffer => bytes
    const call = (): Promise<unknown> =>
      new Promise((resolve) =>
        client.makeUnaryRequest('/test.Secret/Get', octets, octets, Buffer.alloc(1), resolve),
      )
    expect(
      await stallMs(async () =>
        expect(await call()).toMatchObject({ message: expect.stringMatching(refused) }),
      ),
    ).toBeLessThanOrEqual(100)
    client.close()
  })
})

const refused = /the handshake of the server is refused/

/** The longest that the event loop was busy meanwhile, in milliseconds of CPU time. */
async function stallMs(meanwhile: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = process.cpuUsage()
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(last)
    last = process.cpuUsage()
    longest = Math.max(longest, (user + system) / 1000)
  }, 1)
  await meanwhile()
  clearInterval(timer)
  return longest
}
