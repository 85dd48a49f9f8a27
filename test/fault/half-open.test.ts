// Half-open streams, whose packets are lost from one moment on: the client reconnects, and the servers close
// the connection (keepalive, 30 s and 10 s).

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { describe, test } from 'vitest'
import { createSdsServer } from '../../src/adapters/grpc/sds/index.ts'
import {
  createWorkloadApiServer,
  createWorkloadApiSource,
} from '../../src/adapters/grpc/workload-api/index.ts'
import { openMesh } from '../support/mesh.ts'
import { SdsClient } from '../support/sds-client.ts'

const patience = { timeout: 90_000, interval: 250 }
/** Between a client and the server at that address; `lose` is for the connections of that moment. */
async function losingProxy(
  address: string,
): Promise<{ address: string; lose: () => void; proxy: Server; sockets: Set<Socket> }> {
  const path = address.replace('unix://', '')
  const lost = new WeakSet<Socket>()
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(path)
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined)
      from.on('data', (octets) => void (lost.has(from) || to.write(octets)))
      from.on('close', () => {
        sockets.delete(from)
        if (!lost.has(from)) to.destroy()
      })
    }
  })
  proxy.listen(`${path}.proxy`)
  await once(proxy, 'listening')
  const lose = (): void => {
    for (const socket of sockets) lost.add(socket)
  }
  return { address: `${address}.proxy`, lose, proxy, sockets }
}

// At once: each waits for 40 s.
describe.concurrent('after packets are lost', () => {
  test('a Workload API client connects again, and gets what it missed', async ({ expect }) => {
    await using mesh = await openMesh()
    await using server = await createWorkloadApiServer({ address: mesh.address, workload: mesh.secrets })
    const between = await losingProxy(server.address)
    await using source = await createWorkloadApiSource({ address: between.address })
    const before = (await source.ready()).svid
    between.lose()
    const renewed = (await mesh.sources[0]!.renew()).svid
    await expect
      .poll(() => source.current.svid.certificates[0]!.serialNumber, patience)
      .toBe(renewed.certificates[0]!.serialNumber)
    expect(renewed.certificates[0]!.equals(before.certificates[0]!)).toBe(false)
    // The server has closed the lost ones. The source has one of X.509, and one of JWT bundles.
    await expect.poll(() => server.connections, patience).toBe(2)
    between.proxy.close()
    for (const socket of between.sockets) socket.destroy()
  }, 120_000)

  test('an SDS server lets go of a stream whose client does not answer', async ({ expect }) => {
    await using mesh = await openMesh()
    await using server = await createSdsServer({ address: mesh.address, secrets: mesh.secrets })
    const between = await losingProxy(server.address)
    const client = new SdsClient(between.address)
    const stream = client.sotw()
    stream.send({ node: { id: 'sidecar' }, resourceNames: ['default'] })
    await expect.poll(() => stream.responses.length).toBe(1)
    between.lose()
    await mesh.sources[0]!.renew()
    await expect.poll(() => server.connections, patience).toBe(0)
    expect(stream.responses).toHaveLength(1)
    client.client.close()
    between.proxy.close()
    for (const socket of between.sockets) socket.destroy()
  }, 120_000)
})
