// What the port of `listenGrpc` and a client of `grpcChannelCredentials` take from a peer in its handshake.

import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { Client, Server } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { grpcChannelCredentials, listenGrpc } from '../../../../src/adapters/grpc/index.ts'
import type { ListenGrpcOptions } from '../../../../src/adapters/grpc/credentials/listen-grpc.ts'
import type { TlsIdentity } from '../../../../src/adapters/tls/index.ts'
import { code } from '../../../support/codes.ts'
import { refusedChains, usualChains } from '../../../support/handshake-chains.ts'
import { Told } from '../../../support/listener.ts'
import { testPki } from '../../../support/pki.ts'
import { tlsIdentityOf } from '../../../support/tls-identity.ts'

let identity: TlsIdentity
beforeAll(async () => {
  identity = await tlsIdentityOf(await testPki(), 'spiffe://example.org/served')
})
afterAll(() => identity[Symbol.asyncDispose]())

describe('a port of listenGrpc', () => {
  /** A handshake that the port ends; the lines that it logged. */
  async function shake(
    client: ConnectionOptions,
    options: Partial<ListenGrpcOptions> = {},
  ): Promise<readonly unknown[]> {
    const { logger, log } = new Told()
    const authorize = 'spiffe://example.org/client'
    await using listener = await listenGrpc(new Server(), identity, { authorize, logger, ...options })
    const socket = connect({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ...client })
    socket.on('error', () => undefined)
    await once(socket.resume(), 'close').catch(() => undefined)
    return log
  }

  it.each(refusedChains)('refuses a client with %s, and the log says why', async (_, chain, fault) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
      expect(await shake({ ...chain, maxVersion })).toEqual([
        expect.objectContaining({ level: 'warn', code: fault, peer: '127.0.0.1' }),
      ])
  })

  it('refuses a longer handshake than maxHandshakeBytes', async () => {
    const [, chain] = usualChains[0]!
    expect(await shake(chain, { maxHandshakeBytes: 512 })).toEqual([
      expect.objectContaining({ level: 'warn', reason: expect.stringContaining('512 octets') }),
    ])
  })

  it('leaves the handshake to OpenSSL from 100 KiB on', async () => {
    const [, chain] = refusedChains.find(([name]) => name === 'eleven certificates')!
    expect(await shake(chain, { maxHandshakeBytes: 100 * 1024 })).toEqual([])
  })

  it.each([0, 1.5, NaN, '1'])('refuses maxHandshakeBytes %s', async (maxHandshakeBytes) => {
    const options = { authorize: 'spiffe://example.org/client', maxHandshakeBytes } as ListenGrpcOptions
    await expect(listenGrpc(new Server(), identity, options)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a client of grpcChannelCredentials', () => {
  it('offers no group that the server chooses', async () => {
    const chain = usualChains.find(([name]) => name === 'RSA-2048')?.[1]
    const refusals: unknown[] = []
    const cipher = { ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto', maxVersion: 'TLSv1.2' } as const
    const server = createServer({ ...chain, ...cipher })
    server.on('tlsClientError', (error) => refusals.push(error)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const credentials = await grpcChannelCredentials(identity, { id: 'spiffe://example.org/served' })
    const client = new Client(`127.0.0.1:${port}`, credentials)
    onTestFinished(() => {
      client.close()
      server.close()
    })
    const octets = (bytes: Buffer): Buffer => bytes
    await new Promise((resolve) =>
      client.makeUnaryRequest('/test.Secret/Get', octets, octets, Buffer.alloc(1), resolve),
    )
    expect(refusals[0]).toMatchObject({ code: 'ERR_SSL_NO_SHARED_CIPHER' })
  })
})
