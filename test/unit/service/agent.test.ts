// The agent: one identity over SDS, the Workload API and files, in whatever order everybody starts.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createFileSource } from '../../../src/adapters/files/index.ts'
import { createWorkloadApiSource } from '../../../src/adapters/grpc/workload-api/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { localCaClient } from '../../../src/secrets/index.ts'
import type { CaClient } from '../../../src/secrets/index.ts'
import { createAgent } from '../../../src/service/index.ts'
import { JwtAuthority, TrustBundleSet, issueJwtSvid } from '../../../src/svid/index.ts'
import { Certificate } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { deferred } from '../../support/deferred.ts'
import { meshId, openMesh } from '../../support/mesh.ts'
import type { Mesh } from '../../support/mesh.ts'
import { callerOf } from '../../support/pki.ts'

let mesh: Mesh
beforeAll(async () => {
  mesh = await openMesh()
})
afterAll(async () => mesh[Symbol.asyncDispose]())

const ca = (): CaClient => localCaClient(mesh.issuance, callerOf(meshId))

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'agent-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

describe('createAgent', () => {
  test('serves whoever came before the CA answered, and each renewal to all of them', async () => {
    const directory = folder()
    const gate = deferred()
    const honest = ca()
    const key = await SoftwareSigner.generate('P-256')
    const bundles = new TrustBundleSet([
      mesh.authority.trustBundle().with({ jwtAuthorities: [JwtAuthority.from('k', key.publicKey)] }),
    ])
    await using agent = await createAgent({
      ca: { issue: (request) => gate.promise.then(() => honest.issue(request)) },
      ...{ id: meshId, bundles, ttlSeconds: 3600 },
      issueJwtSvid: (of, audience) => issueJwtSvid({ id: of, audience: [...audience], keyId: 'k' }, key),
      sds: { address: `unix://${directory}/sds.sock` },
      workloadApi: { address: `unix://${directory}/api.sock`, readyTimeoutMs: 30_000 },
      output: { directory: join(directory, 'certs') },
    })
    expect(agent.health.check()).toMatchObject({ ready: false })
    await using client = await createWorkloadApiSource({ address: agent.workloadApiAddress! })
    const early = client.ready()
    gate.resolve()
    await agent.ready()
    expect((await early).svid.id.toString()).toBe(meshId)
    expect(agent.health.check()).toMatchObject({ ready: true, alerts: [] })
    expect((await client.fetchJwtSvid({ audience: 'db' })).audience).toEqual(['db'])
    const onDisk = (): string =>
      Certificate.listFromPem(readFileSync(join(directory, 'certs/cert-chain.pem'), 'utf8'))[0]!.serialNumber
    for (let renewal = 0; renewal < 3; renewal++) {
      const { serialNumber } = agent.source.current.svid.leaf
      expect(onDisk()).toBe(serialNumber)
      await agent.source.renew()
      const next = agent.source.current.svid.leaf.serialNumber
      expect(next).not.toBe(serialNumber)
      await expect.poll(onDisk).toBe(next)
      await expect.poll(() => client.current.svid.leaf.serialNumber).toBe(next)
    }
  })

  test('what another program keeps in files is served too', async () => {
    const directory = folder()
    await using first = await createAgent({
      ca: ca(),
      id: meshId,
      output: { directory: join(directory, 'certs') },
    })
    await first.ready()
    await using files = createFileSource({ directory: join(directory, 'certs') })
    await using second = await createAgent({
      source: files,
      workloadApi: { address: `unix://${directory}/a.sock` },
    })
    await second.ready()
    await using client = await createWorkloadApiSource({ address: second.workloadApiAddress! })
    await client.ready()
    await first.source.renew()
    await files.renew()
    await expect
      .poll(() => client.current.svid.leaf.serialNumber)
      .toBe(first.source.current.svid.leaf.serialNumber)
  })

  test('a start that fails leaves nothing open', async () => {
    const directory = folder()
    const address = `unix://${directory}/a.sock`
    const failing = createAgent({
      ...{ ca: ca(), id: meshId },
      sds: { address },
      workloadApi: { address: 'unix:///no/such/directory/a.sock' },
    })
    await expect(failing).rejects.toThrow(code('ERR_SERVER_START'))
    await using again = await createAgent({ ca: ca(), id: meshId, sds: { address } })
    expect(again.sdsAddress).toBe(address)
  })

  test('files that cannot be written are an error of ready', async () => {
    await using agent = await createAgent({ ca: ca(), id: meshId, output: { directory: '/dev/null/certs' } })
    await expect(agent.ready()).rejects.toThrow(code('ERR_SECRET_FILES'))
  })

  test('refuses what is no agent', async () => {
    const [source] = mesh.sources
    for (const options of [
      {},
      { ca: ca() },
      { id: meshId },
      { ca: ca(), id: undefined },
      { ca: ca(), id: meshId, source },
      { ca: ca(), id: meshId, sds: { adress: 'unix:///x' } },
      { ca: ca(), id: meshId, health: { interval: 1 } },
      { ca: ca(), id: meshId, outputs: {} },
    ])
      await expect(createAgent(options as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
