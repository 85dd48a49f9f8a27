// SPIRE's agent and our client of the Workload API: SVIDs, bundles and tokens that SPIRE issues, and their
// renewal.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import * as grpc from '@grpc/grpc-js'
import { parseEndpoint } from '../../src/adapters/grpc/local-server/index.ts'
import { EndpointChannel } from '../../src/adapters/grpc/workload-api/endpoint-channel.ts'
import { createWorkloadApiSource } from '../../src/adapters/grpc/workload-api/index.ts'
import { workloadMethods } from '../../src/adapters/grpc/workload-api/service-definition.ts'
import { connectTls, createTlsIdentity, createTlsServer, peerOf } from '../../src/adapters/tls/index.ts'
import { systemClock } from '../../src/runtime/index.ts'
import { safeLogger } from '../../src/runtime/internal.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe/index.ts'
import { X509SvidValidator, createJwtVerifier } from '../../src/svid/index.ts'
import { PublicKey, generalName } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { GoProgram } from '../support/go-program.ts'
import { temporaryFolders } from '../support/temporary.ts'

type WorkloadApiSource = Awaited<ReturnType<typeof createWorkloadApiSource>>

const run = promisify(execFile)
const newFolder = temporaryFolders('spire-')
const programOf = (name: string): GoProgram =>
  new GoProgram('spire', { target: `github.com/spiffe/spire/cmd/${name}`, cgo: true, isHeavy: true })
const programs = { server: programOf('spire-server'), agent: programOf('spire-agent') }
const id = 'spiffe://example.org/ns/prod/sa/api'
const domain = TrustDomain.from('example.org')

describe.skipIf(!programs.server.isAvailable || !programs.agent.isAvailable)("SPIRE's agent", () => {
  let source: WorkloadApiSource
  let folder: string
  let server: string
  let agent: string
  let log = ''
  const running: ChildProcess[] = []
  const at = (name: string): string => join(folder, name)
  /** A command to the server. */
  const tell = async (...args: string[]): Promise<string> =>
    (await run(server, [...args, '-socketPath', at('server.sock')])).stdout

  function start(program: string, ...args: string[]): void {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += String(data)))
    running.push(child)
  }

  beforeAll(async () => {
    server = await programs.server.build()
    agent = await programs.agent.build()
    folder = newFolder()
    for (const name of ['server', 'agent']) mkdirSync(at(name))
    const port = await freePort()
    writeFileSync(at('server.conf'), serverConfiguration(folder, port))
    writeFileSync(at('agent.conf'), agentConfiguration(folder, port))
    start(server, 'run', '-config', at('server.conf'))
    const isHealthy = (): Promise<boolean> => tell('healthcheck').then(Boolean, () => false)
    await vi.waitUntil(isHealthy, { timeout: 120_000, interval: 100 })
    const token = await tell('token', 'generate', '-spiffeID', 'spiffe://example.org/agent')
    start(agent, 'run', '-config', at('agent.conf'), '-joinToken', token.replace('Token:', '').trim())
    source = await createWorkloadApiSource({ address: `unix://${at('agent.sock')}` })
  }, 1_800_000)

  afterAll(async () => {
    await source?.[Symbol.asyncDispose]()
    for (const child of running)
      if (child.exitCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
  })

  it('has no identity for us before there is an entry, and then one that our validator accepts', async () => {
    await expect
      .poll(() => source.status.lastError, { timeout: 120_000, message: log })
      .toMatchObject({ code: 'ERR_WORKLOAD_API_DENIED' })
    await expect(source.workload.fetchJwtSvids!({ audience: ['orders'] })).rejects.toThrow(
      code('ERR_WORKLOAD_API_DENIED'),
    )
    const entry = ['-parentID', 'spiffe://example.org/agent', '-spiffeID', id, '-dns', 'api.example.org']
    const selector = ['-selector', `unix:uid:${process.getuid!()}`]
    const validity = ['-x509SVIDTTL', '40', '-jwtSVIDTTL', '60']
    await tell('entry', 'create', ...entry, ...selector, ...validity)
    const { svid, privateKey, bundle } = await source.ready(AbortSignal.timeout(120_000))
    expect(svid.id.toString()).toBe(id)
    expect(svid.leaf.subjectAltName).toContainEqual(generalName.dns('api.example.org'))
    expect(PublicKey.from(privateKey).equals(svid.leaf.publicKey)).toBe(true)
    expect(bundle.x509Authorities.length).toBeGreaterThan(0)
    const verdict = new X509SvidValidator({ bundles: source }).verify(svid.certificates, { id })
    expect(verdict).toMatchObject({ ok: true })
  }, 300_000)

  it('gives JWT-SVIDs that we verify, and verifies them as we do', async () => {
    await expect
      .poll(() => source.bundleFor(domain)?.jwtAuthorities.length, { timeout: 60_000 })
      .toBeGreaterThan(0)
    const svid = await source.fetchJwtSvid({ audience: ['orders', 'billing'], id })
    expect([svid.id.toString(), svid.audience]).toEqual([id, ['orders', 'billing']])
    const verifier = createJwtVerifier({ bundles: source })
    expect((await verifier.verify(svid.token, 'orders')).id).toEqual(SpiffeId.parse(id))
    await expect(verifier.verify(svid.token, 'other')).rejects.toThrow(code('ERR_JWT_AUDIENCE'))
    const channel = new EndpointChannel({
      ...{ grpc, endpoint: parseEndpoint(`unix://${at('agent.sock')}`, 'address'), clock: systemClock },
      logger: safeLogger('test', undefined),
    })
    onTestFinished(() => channel.close())
    const validate = (audience: string, token: string): Promise<{ readonly spiffeId: string }> =>
      channel.call(workloadMethods.ValidateJWTSVID, { audience, svid: token }, undefined)
    expect((await validate('billing', svid.token)).spiffeId).toBe(id)
    await expect(validate('other', svid.token)).rejects.toThrow(code('ERR_WORKLOAD_API'))
    const [head, body, signature] = svid.token.split('.') as [string, string, string]
    const forged = [
      head,
      body,
      signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`,
    ]
    await expect(validate('billing', forged.join('.'))).rejects.toThrow(code('ERR_WORKLOAD_API'))
    await expect(verifier.verify(forged.join('.'), 'billing')).rejects.toThrow(/./)
  }, 120_000)

  it('renews its SVIDs: our source follows, and TLS between two of us goes on', async () => {
    await using identity = createTlsIdentity({ source })
    const listener = createTlsServer(identity, { authorize: id }, (socket) =>
      socket.end(`hello, ${peerOf(socket)?.id.toString()}`),
    )
    onTestFinished(() => void listener.close())
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as AddressInfo
    const serials = new Set<string>()
    for (let round = 0; round < 3; round++) {
      await expect
        .poll(() => serials.has(source.current.svid.leaf.serialNumber), { timeout: 120_000, message: log })
        .toBe(false)
      serials.add(source.current.svid.leaf.serialNumber)
      const socket = connectTls(identity, { id, host: '127.0.0.1', port })
      const [data] = (await once(socket, 'data')) as [Buffer]
      expect(String(data)).toBe(`hello, ${id}`)
      socket.destroy()
    }
  }, 400_000)

  it('has taken the identity away: there is no SVID any more', async () => {
    const [entry] = JSON.parse(await tell('entry', 'show', '-spiffeID', id, '-output', 'json')).entries as [
      { readonly id: string },
    ]
    await tell('entry', 'delete', '-entryID', entry.id)
    await expect
      .poll(() => source.status.lastError, { timeout: 120_000, message: log })
      .toMatchObject({ code: 'ERR_WORKLOAD_API_DENIED' })
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
  }, 180_000)
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

const serverConfiguration = (folder: string, port: number): string => `
server {
  bind_address = "127.0.0.1"
  bind_port = "${port}"
  socket_path = "${folder}/server.sock"
  trust_domain = "example.org"
  data_dir = "${folder}/server"
  ca_ttl = "24h"
  agent_ttl = "1h"
}
plugins {
  DataStore "sql" {
    plugin_data { database_type = "sqlite3", connection_string = "${folder}/server/data.sqlite3" }
  }
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
}
`

const agentConfiguration = (folder: string, port: number): string => `
agent {
  data_dir = "${folder}/agent"
  server_address = "127.0.0.1"
  server_port = "${port}"
  socket_path = "${folder}/agent.sock"
  trust_domain = "example.org"
  insecure_bootstrap = true
}
plugins {
  NodeAttestor "join_token" { plugin_data {} }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "unix" { plugin_data {} }
}
`
