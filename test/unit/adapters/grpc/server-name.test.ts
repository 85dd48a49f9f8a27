// The server name that a channel with a TLS identity sends.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { Client } from '@grpc/grpc-js'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { serverNameOf } from '../../../../src/adapters/grpc/credentials/server-name.ts'
import { grpcChannelCredentials } from '../../../../src/adapters/grpc/index.ts'
import { serveProxy } from '../../../support/connect-proxy.ts'
import { openWorld, peerId } from '../tls/door-fixtures.ts'

const world = await openWorld()
afterAll(async () => {
  await world.identity[Symbol.asyncDispose]()
  await world.source[Symbol.asyncDispose]()
})

/** A TLS server that notes the name and refuses the handshake. */
async function serve(): Promise<{ readonly port: number; readonly names: readonly string[] }> {
  const names: string[] = []
  const server = createServer({
    SNICallback: (name, done) => {
      names.push(name)
      done(new Error('refused'))
    },
  })
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, names }
}

async function callTo(address: string, options: Readonly<Record<string, string>> = {}): Promise<void> {
  const credentials = await grpcChannelCredentials(world.identity, { id: peerId })
  const client = new Client(address, credentials, { 'grpc.enable_retries': 0, ...options })
  const octets = (bytes: Buffer): Buffer => bytes
  await new Promise((resolve) => client.makeUnaryRequest('/a.B/C', octets, octets, Buffer.alloc(0), resolve))
  client.close()
}

describe('a channel', () => {
  it('sends the name of its server', async () => {
    const { port, names } = await serve()
    await callTo(`localhost:${port}`)
    await callTo(`dns:localhost:${port}`)
    expect([...new Set(names)]).toEqual(['localhost'])
  })

  it('sends that of its server behind a proxy of the environment', async () => {
    const { port, names } = await serve()
    const proxy = await serveProxy()
    vi.stubEnv('grpc_proxy', `http://127.0.0.1:${proxy.port}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    await callTo(`orders.example:${port}`)
    expect(proxy.asked).toContain(`orders.example:${port}`)
    expect([...new Set(names)]).toEqual(['orders.example'])
  })

  it('sends the one that its options give', async () => {
    const { port, names } = await serve()
    await callTo(`127.0.0.1:${port}`, { 'grpc.ssl_target_name_override': 'orders.example' })
    expect([...new Set(names)]).toEqual(['orders.example'])
  })
})

describe('the name', () => {
  it.each([
    ['orders:8443', {}, 'orders'],
    ['orders', {}, 'orders'],
    ['127.0.0.1:8443', {}, undefined],
    ['[::1]:8443', {}, undefined],
    ['/run/orders.sock', {}, undefined],
    ['proxy:3128', { 'grpc.http_connect_target': 'dns:orders:8443' }, 'orders'],
    ['proxy:3128', { 'grpc.http_connect_target': 'dns:[::1]:8443' }, undefined],
    ['orders:8443', { 'grpc.ssl_target_name_override': 'other' }, 'other'],
  ])('of %s with %j is %s', (path, options, expected) => {
    expect(serverNameOf(path, options)).toBe(expected)
  })
})
