// 100 rotations of an agent with open connections and streams: no handle, timer, file or context more than
// before.

import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { expect, it } from 'vitest'
import { createWorkloadApiSource } from '../../src/adapters/grpc/workload-api/index.ts'
import { connectTls, createTlsIdentity, createTlsServer } from '../../src/adapters/tls/index.ts'
import { localCaClient } from '../../src/secrets/index.ts'
import { createAgent } from '../../src/service/index.ts'
import { meshId, openMesh } from '../support/mesh.ts'
import { callerOf } from '../support/pki.ts'

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
  const server = createTlsServer(identity, { authorize: meshId }, (socket: TLSSocket) => socket.pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connectTls(identity, { id: meshId, host: '127.0.0.1', port })
  const echo = async (): Promise<void> => {
    socket.write('x')
    await once(socket, 'data')
  }
  await echo()
  const resources = (): number => process.getActiveResourcesInfo().length
  const rotate = async (times: number): Promise<void> => {
    for (let rotation = 0; rotation < times; rotation++) {
      const { svid } = await agent.source.renew()
      await expect.poll(() => client.current.svid.leaf.serialNumber).toBe(svid.leaf.serialNumber)
    }
    await echo()
  }
  await rotate(5)
  const before = resources()
  await rotate(100)
  await expect.poll(resources).toBeLessThanOrEqual(before + 2)
  expect([...identity.connections]).toHaveLength(2)
  await expect
    .poll(() => readdirSync(join(directory, 'certs')).filter((name) => name.startsWith('..set-')))
    .toHaveLength(1)
  socket.destroy()
  server.close()
  rmSync(directory, { recursive: true, force: true })
}, 120_000)
