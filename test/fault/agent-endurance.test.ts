// 100 rotations of an agent with open connections and streams: no handle, timer, file, context or memory more
// than before.

import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createWorkloadApiSource } from '../../src/adapters/grpc/workload-api/index.ts'
import { connectTls, createTlsIdentity, createTlsServer } from '../../src/adapters/tls/index.ts'
import { localCaClient } from '../../src/secrets/index.ts'
import { createAgent } from '../../src/service/index.ts'
import { meshId, openMesh } from '../support/mesh.ts'
import { callerOf } from '../support/pki.ts'
import { SdsClient } from '../support/sds-client.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const openConnections = 8

/** What a process has at one moment. */
interface Held {
  /** Sockets, timers and requests that keep the event loop busy. */
  readonly resources: number
  readonly descriptors: number
  readonly contexts: number
  readonly octets: number
}

function held(): Held {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return {
    resources: process.getActiveResourcesInfo().length,
    descriptors: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0,
    contexts: queryObjects(createSecureContext({}).constructor, { format: 'count' }),
    octets: heapUsed + external,
  }
}

it('100 rotations under open connections: nothing grows, and the connections live on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'agent-'))
  await using mesh = await openMesh()
  await using agent = await createAgent({
    ...{ ca: localCaClient(mesh.issuance, callerOf(meshId)), id: meshId },
    workloadApi: { address: `unix://${directory}/api.sock` },
    sds: { address: `unix://${directory}/sds.sock` },
    output: { directory: join(directory, 'certs') },
  })
  await agent.ready()
  await using identity = createTlsIdentity({ source: agent.source })
  await using client = await createWorkloadApiSource({ address: agent.workloadApiAddress! })
  await client.ready()
  const sds = new SdsClient(agent.sdsAddress!)
  const stream = sds.sotw()
  stream.send({ node: { id: 'envoy' }, resourceNames: ['default'], typeUrl: secretType })
  const server = createTlsServer(identity, { authorize: meshId }, (socket: TLSSocket) => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connect = (): TLSSocket => connectTls(identity, { id: meshId, host: '127.0.0.1', port })
  const sockets = Array.from({ length: openConnections }, connect)
  const echo = async (socket: TLSSocket): Promise<void> => {
    socket.write('x')
    await once(socket, 'data')
  }
  const rotate = async (times: number): Promise<void> => {
    for (let rotation = 0; rotation < times; rotation++) {
      const { svid } = await agent.source.renew()
      await expect.poll(() => client.current.svid.leaf.serialNumber).toBe(svid.leaf.serialNumber)
      await expect.poll(() => stream.responses.length).toBeGreaterThan(0)
      const { versionInfo, nonce } = stream.responses.splice(0).at(-1)!
      stream.send({ versionInfo, responseNonce: nonce, resourceNames: ['default'], typeUrl: secretType })
      // A handshake with the new certificate.
      const socket = connect()
      await echo(socket)
      socket.destroy()
    }
    await Promise.all(sockets.map(echo))
    await expect.poll(() => [...identity.connections].length).toBe(2 * openConnections)
  }
  // Enough for what grows once: caches, compiled code.
  await rotate(30)
  const before = held()
  await rotate(100)
  await expect.poll(() => held().resources).toBeLessThanOrEqual(before.resources + 2)
  await expect.poll(() => held().descriptors).toBeLessThanOrEqual(before.descriptors + 2)
  await expect.poll(() => held().contexts).toBeLessThanOrEqual(before.contexts + 2)
  // The CA of the test has 100 certificates more on record, of some kilobytes each.
  await expect.poll(() => held().octets - before.octets).toBeLessThan(2_000_000)
  await expect
    .poll(() => readdirSync(join(directory, 'certs')).filter((name) => name.startsWith('..set-')))
    .toHaveLength(1)
  for (const socket of sockets) socket.destroy()
  stream.call.cancel()
  sds.client.close()
  server.close()
  rmSync(directory, { recursive: true, force: true })
}, 300_000)

const secretType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret'
