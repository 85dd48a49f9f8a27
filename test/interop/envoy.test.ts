// A real Envoy that takes its secrets from our SDS server: both protocols, rotations, roots, revocation,
// several trust domains, under traffic.

import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { dirname } from 'node:path'
import * as tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSdsServer } from '../../src/adapters/grpc/sds/index.ts'
import type { LocalServer } from '../../src/adapters/grpc/local-server/index.ts'
import { createCertificateAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { TrustBundle } from '../../src/svid/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import { envoyCluster, freePort, overHttp2, startEnvoy } from '../support/envoy.ts'
import type { Envoy } from '../support/envoy.ts'
import { newRoot, openMesh } from '../support/mesh.ts'
import type { Mesh } from '../support/mesh.ts'
import { callerOf } from '../support/pki.ts'
import { requires } from '../support/requires.ts'

const envoyId = 'spiffe://example.org/ns/prod/sa/envoy'
const clientId = 'spiffe://example.org/ns/prod/sa/client'
type Listener = 'sotw' | 'delta' | 'spiffe'
type Identity = Awaited<ReturnType<Mesh['credentialsOf']>>

/** Listeners in which only the way to the secrets is ours. */
function resources(socket: string, echoPort: number): object {
  const source = (api: string): object => ({
    resource_api_version: 'V3',
    initial_fetch_timeout: '5s',
    api_config_source: {
      api_type: api,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }],
    },
  })
  const listener = (name: Listener, api: string, authorities: string): object => ({
    name,
    address: freePort,
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
            require_client_certificate: true,
            common_tls_context: {
              tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: source(api) }],
              validation_context_sds_secret_config: { name: authorities, sds_config: source(api) },
            },
          },
        },
        filters: [
          {
            name: 'envoy.filters.network.tcp_proxy',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
              stat_prefix: name,
              cluster: 'echo',
            },
          },
        ],
      },
    ],
  })
  return {
    listeners: [
      listener('sotw', 'GRPC', 'ROOTCA'),
      listener('delta', 'DELTA_GRPC', 'ROOTCA'),
      listener('spiffe', 'GRPC', 'ALL'),
    ],
    clusters: [
      envoyCluster('sds', { pipe: { path: socket } }, overHttp2),
      envoyCluster('echo', { socket_address: { address: '127.0.0.1', port_value: echoPort } }),
    ],
  }
}

describe.skipIf(!requires('envoy'))('Envoy', () => {
  let mesh: Mesh
  let sds: LocalServer
  let echo: Server
  let envoy: Envoy
  const rejected: unknown[] = []
  let acknowledged = 0

  beforeAll(async () => {
    mesh = await openMesh([envoyId])
    const note = (): void => undefined
    const error = (fields: object): void => void rejected.push(fields)
    sds = await createSdsServer({
      address: mesh.address,
      secrets: mesh.secrets,
      logger: { debug: note, info: note, warn: note, error },
      metrics: {
        count: (_name, labels) => void (labels?.['kind'] === 'ack' && acknowledged++),
        gauge: note,
        observe: note,
      },
    })
    echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', () => resolve()))
    const socket = mesh.address.slice('unix://'.length)
    envoy = await startEnvoy(dirname(socket), resources(socket, (echo.address() as AddressInfo).port))
  }, 150_000)

  afterAll(async () => {
    await envoy?.[Symbol.asyncDispose]()
    echo?.close()
    await sds?.close(0)
    await mesh?.[Symbol.asyncDispose]()
  })

  /** The serial number that Envoy shows, once an octet has gone there and back; undefined when it refuses. */
  function dial(listener: Listener, { cert, key }: Partial<Identity>): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: envoy.ports.get(listener)!,
        rejectUnauthorized: false,
        ...(cert === undefined ? {} : { cert, key }),
      })
      let serial: string | undefined
      socket.on('secureConnect', () => {
        serial = socket.getPeerCertificate().serialNumber
        socket.write('x')
      })
      socket.on('data', () => {
        resolve(serial)
        socket.destroy()
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(undefined))
    })
  }

  const listeners: readonly Listener[] = ['sotw', 'delta', 'spiffe']
  const current = (): string => mesh.sources[0]!.current.svid.leaf.serialNumber

  async function foreignCredentials(): Promise<{
    root: Awaited<ReturnType<typeof newRoot>>
    identity: Partial<Identity>
  }> {
    const root = await newRoot('example.com')
    const authority = createCertificateAuthority({ trustDomain: 'example.com', ...root })
    const signer = await SoftwareSigner.generate('P-256')
    const { certificate } = await createIssuanceService({ authority }).issue(
      { csr: await buildCertificateRequest({}, signer) },
      callerOf('spiffe://example.com/client'),
    )
    return { root, identity: { cert: certificate.toPem(), key: exportPrivateKey(signer.privateKey()) } }
  }

  test.each(listeners)(
    '%s: serves who has an SVID of the trust domain, and nobody else',
    async (listener) => {
      const client = await mesh.credentialsOf(clientId)
      expect(await dial(listener, client)).toBe(current())
      expect(await dial(listener, {})).toBeUndefined()
      expect(await dial(listener, (await foreignCredentials()).identity)).toBeUndefined()
    },
  )

  test('20 rotations and 3 of the root under traffic: no request of anybody fails', async () => {
    let client = await mesh.credentialsOf(clientId)
    const failures: string[] = []
    const requests = { sotw: 0, delta: 0, spiffe: 0 }
    let over = false
    const traffic = listeners.map(async (listener) => {
      while (!over) {
        if ((await dial(listener, client)) === undefined) failures.push(listener)
        requests[listener]++
      }
    })
    const more = async (count: number): Promise<void> => {
      const before = { ...requests }
      const advanced = (): boolean => listeners.every((name) => requests[name] >= before[name] + count)
      await expect.poll(advanced, { timeout: 20_000, interval: 5 }).toBe(true)
    }
    const reached = async (): Promise<void> => {
      for (const listener of listeners)
        await expect.poll(() => dial(listener, client), { timeout: 10_000, interval: 20 }).toBe(current())
    }
    for (let rotation = 0; rotation < 20; rotation++) {
      await mesh.sources[0]!.renew()
      await reached()
    }
    for (let rotation = 0; rotation < 3; rotation++) {
      const before = acknowledged
      await mesh.rotateRoot(async () => {
        await reached()
        // Every listener has the new root before a certificate below it is shown, and no request with an
        // old certificate is on its way when the old root goes.
        await expect.poll(() => acknowledged, { timeout: 10_000 }).toBeGreaterThanOrEqual(before + 3)
        await more(5)
        client = await mesh.credentialsOf(clientId)
        await more(2)
      })
      await reached()
    }
    over = true
    await Promise.all(traffic)
    expect(failures).toEqual([])
    for (const count of Object.values(requests)) expect(count).toBeGreaterThan(40)
    expect(rejected).toEqual([])
  }, 120_000)

  test('who is revoked is refused within 2 s, and nobody else', async () => {
    const [innocent, revoked] = [await mesh.credentialsOf(clientId), await mesh.credentialsOf(clientId)]
    expect(await dial('sotw', revoked)).toBe(current())
    await mesh.issuance.revoke(revoked.certificate.serialNumber, 'keyCompromise', callerOf(clientId))
    mesh.crls = await mesh.authority.issueCrls()
    mesh.secrets.update()
    for (const listener of ['sotw', 'delta'] as const) {
      await expect.poll(() => dial(listener, revoked), { timeout: 2_000, interval: 20 }).toBeUndefined()
      expect(await dial(listener, innocent)).toBe(current())
    }
    expect(rejected).toEqual([])
  })

  test('a federated trust domain is served by the SPIFFE validator, until it is taken out', async () => {
    const { root, identity } = await foreignCredentials()
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [root.certificate] }))
    await expect.poll(() => dial('spiffe', identity), { timeout: 10_000 }).toBe(current())
    expect(await dial('sotw', identity)).toBeUndefined()
    mesh.bundles.delete('example.com')
    await expect.poll(() => dial('spiffe', identity), { timeout: 10_000 }).toBeUndefined()
    expect(await dial('spiffe', await mesh.credentialsOf(clientId))).toBe(current())
    expect(rejected).toEqual([])
  })
})
