// The TLS of a certificate client: the address and name of its server, its own material, and what it offers.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createCertificateClient } from '../../../../src/adapters/grpc/index.ts'
import type { CertificateClientOptions } from '../../../../src/adapters/grpc/certificate-client/index.ts'
import type { CertificateReply } from '../../../../src/adapters/grpc/certificate-client/certificate-reply.ts'
import { closedAfterEach, startTestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { serveProxy } from '../../../support/connect-proxy.ts'
import { usualChains } from '../../../support/handshake-chains.ts'
import { newRequest, testPki, tlsCredential } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const roots = pki.root.toPem()
const { request: csr } = await newRequest()

async function ask(options: Partial<CertificateClientOptions>, port = 0): Promise<CertificateReply> {
  const client = await createCertificateClient({
    ...{ address: `localhost:${port}`, tls: () => ({ roots }), retry: { attempts: 1 } },
    ...options,
  })
  return keep(client).createCertificate(csr)
}

describe('a certificate client', () => {
  it.each([
    ['localhost:PORT', undefined],
    ['dns:localhost:PORT', undefined],
    ['dns:///localhost:PORT', undefined],
    ['127.0.0.1:PORT', 'localhost'],
    ['ipv4:127.0.0.1:PORT', 'localhost'],
  ])('with the address %s and the server name %s accepts the server', async (address, serverName) => {
    const { server } = keep(await startTestServer({}, pki))
    const options = serverName === undefined ? {} : { serverName }
    const reply = await ask({ address: address.replace('PORT', String(server.port)), ...options })
    expect(reply.certificate.publicKey.equals(csr.publicKey)).toBe(true)
  })

  it('with an address of numbers refuses a server whose certificate has only a name', async () => {
    const { server } = keep(await startTestServer({}, pki))
    await expect(ask({ address: `127.0.0.1:${server.port}` })).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_CA_UNAVAILABLE',
        message: expect.stringContaining('expected the name 127.0.0.1, found') as unknown,
      }),
    )
  })

  it('refuses a chain without its key, and a key without a chain', async () => {
    const { certificateChain, privateKey } = await tlsCredential(pki)
    for (const half of [{ certificateChain }, { privateKey }])
      await expect(ask({ tls: () => ({ roots, ...half }) })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('expects the name of the server, not that of a proxy of the environment', async () => {
    const { server } = keep(await startTestServer({}, pki))
    const proxy = await serveProxy()
    vi.stubEnv('grpc_proxy', `http://127.0.0.1:${proxy.port}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    const reply = await ask({ address: `localhost:${server.port}` })
    expect(reply.certificate.publicKey.equals(csr.publicKey)).toBe(true)
    expect(proxy.asked).toEqual([`localhost:${server.port}`])
  })

  it('offers no group that the server chooses', async () => {
    const refusals: unknown[] = []
    const chain = usualChains.find(([name]) => name === 'RSA-2048')?.[1]
    const port = await serve(
      { ...chain, ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto', maxVersion: 'TLSv1.2' },
      undefined,
      (error) => refusals.push(error),
    )
    await expect(ask({}, port)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    expect(refusals).toEqual([expect.objectContaining({ code: 'ERR_SSL_NO_SHARED_CIPHER' })])
  })

  it('does not renegotiate: the certificates of a second handshake cannot be read', async () => {
    const errors: unknown[] = []
    const port = await serve(
      { ...(await material()), maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] },
      (socket) => {
        socket.on('error', (error) => errors.push(error))
        socket.renegotiate({}, (error) => errors.push(error))
      },
    )
    await expect(ask({}, port)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    await expect.poll(() => errors).toEqual([expect.objectContaining({ code: 'ERR_SSL_NO_RENEGOTIATION' })])
  })
})

async function material(): Promise<{ cert: string; key: string }> {
  const { certificateChain: cert, privateKey: key } = await tlsCredential(pki)
  return { cert, key }
}

/** A TLS server that answers no call. */
async function serve(
  options: Parameters<typeof createServer>[0],
  secured: (socket: TLSSocket) => void = () => undefined,
  failed: (error: Error) => void = () => undefined,
): Promise<number> {
  const server = createServer(options ?? {}, (socket) => {
    socket.on('error', () => undefined)
    socket.resume()
    secured(socket)
  })
  server.on('tlsClientError', failed)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  keep({ [Symbol.asyncDispose]: () => Promise.resolve(void server.close()) })
  return (server.address() as AddressInfo).port
}
