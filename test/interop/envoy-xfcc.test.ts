// A real Envoy ends the clients' TLS and forwards to our certificate service by mutual TLS of its own: who
// the caller is by x-forwarded-client-cert, and what a forged header brings.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ClientCertificateAuthenticator, XfccAuthenticator, anyOf } from '../../src/auth/index.ts'
import type { AuthenticationRequest, Authenticator, Caller } from '../../src/auth/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { Certificate } from '../../src/x509/index.ts'
import { callBy, proto, startTestServer } from '../support/certificate-server.ts'
import type { TestServer } from '../support/certificate-server.ts'
import { envoyCluster, freePort, overHttp2, startEnvoy } from '../support/envoy.ts'
import type { Envoy } from '../support/envoy.ts'
import { callerOf, newRequest, testPki, tlsCredential } from '../support/pki.ts'
import type { TestPki } from '../support/pki.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('envoy-xfcc-')
type Credential = Awaited<ReturnType<typeof tlsCredential>>
const idOf = (name: string): SpiffeId => SpiffeId.parse(`spiffe://example.org/ns/prod/sa/${name}`)
const [service, gateway, relay, client] = ['service', 'gateway', 'relay', 'client'].map(idOf) as [
  SpiffeId,
  SpiffeId,
  SpiffeId,
  SpiffeId,
]
const admin = idOf('admin')
const xfcc = 'x-forwarded-client-cert'
const unauthenticated = 16

interface Secured {
  readonly root: string
  readonly own: Credential
}

const commonTls = ({ root, own }: Secured, more: object = {}): object => ({
  tls_certificates: [
    {
      certificate_chain: { inline_string: own.certificateChain },
      private_key: { inline_string: own.privateKey },
    },
  ],
  validation_context: { trusted_ca: { inline_string: root }, ...more },
  alpn_protocols: ['h2'],
})

const tlsV3 = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'

/** A cluster that shows `own`, and takes nobody but `peer`. */
function securedCluster(name: string, address: object, secured: Secured, peer: SpiffeId): object {
  const isPeer = [{ san_type: 'URI', matcher: { exact: peer.toString() } }]
  return envoyCluster(name, address, {
    ...overHttp2,
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `${tlsV3}.UpstreamTlsContext`,
        sni: 'localhost',
        common_tls_context: commonTls(secured, { match_typed_subject_alt_names: isPeer }),
      },
    },
  })
}

interface ListenerOptions {
  readonly address?: object
  readonly forward: 'SANITIZE_SET' | 'APPEND_FORWARD'
  readonly details?: object
  readonly cluster: string
  readonly anonymous?: boolean
}

function listener(name: string, secured: Secured, options: ListenerOptions): object {
  const { address = freePort, forward, details = { uri: true }, cluster, anonymous = false } = options
  const network = 'type.googleapis.com/envoy.extensions.filters'
  const manager = {
    '@type': `${network}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    codec_type: 'HTTP2',
    forward_client_cert_details: forward,
    set_current_client_cert_details: details,
    http_filters: [
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${network}.http.router.v3.Router` } },
    ],
    route_config: {
      virtual_hosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
    },
  }
  return {
    name,
    address,
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${tlsV3}.DownstreamTlsContext`,
            require_client_certificate: !anonymous,
            common_tls_context: commonTls(secured),
          },
        },
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
      },
    ],
  }
}

describe.skipIf(!requires('envoy'))('Envoy in front', () => {
  let pki: TestPki
  let server: TestServer
  let envoy: Envoy
  let credentialOf: Map<SpiffeId, Credential>
  let seen: readonly string[]
  /** Of the server; a test may put another one in its place. */
  let authenticator: Authenticator
  const proxies = [gateway, relay]

  const byCertificate = (): Authenticator => new ClientCertificateAuthenticator({ bundles: pki.authority })
  const byProxy = (options: object = {}): XfccAuthenticator =>
    new XfccAuthenticator({
      proxyNetworks: ['127.0.0.0/8'],
      proxyIdentities: proxies,
      proxyAuthenticator: byCertificate(),
      trustDomain: 'example.org',
      ...options,
    })

  beforeAll(async () => {
    pki = await testPki()
    const root = pki.root.toPem()
    const made = [service, gateway, relay, client, admin].map(
      async (id) => [id, await tlsCredential(pki, id)] as const,
    )
    credentialOf = new Map(await Promise.all(made))
    const current: Authenticator = {
      name: 'current',
      authenticate: (request: AuthenticationRequest): Promise<Caller | undefined> => {
        seen = request.header(xfcc)
        return authenticator.authenticate(request)
      },
    }
    const tls = { ...credentialOf.get(service)!, clientRoots: root }
    server = await startTestServer({ authenticator: current, tls }, pki)
    const secured = (id: SpiffeId): Secured => ({ root, own: credentialOf.get(id)! })
    const folder = newFolder()
    const hop = { pipe: { path: join(folder, 'relay') } }
    const at = { socket_address: { address: '127.0.0.1', port_value: server.server.port } }
    const all = { uri: true, subject: true, dns: true, cert: true, chain: true }
    const ofGateway = (name: string, options: Partial<ListenerOptions>): object =>
      listener(name, secured(gateway), { forward: 'SANITIZE_SET', cluster: 'service', ...options })
    envoy = await startEnvoy(folder, {
      listeners: [
        ofGateway('sanitize', {}),
        ofGateway('append', { forward: 'APPEND_FORWARD' }),
        ofGateway('everything', { forward: 'APPEND_FORWARD', details: all }),
        ofGateway('anonymous', { anonymous: true }),
        ofGateway('first of two', { cluster: 'relay' }),
        listener('second of two', secured(relay), {
          address: hop,
          forward: 'APPEND_FORWARD',
          cluster: 'service as relay',
        }),
      ],
      clusters: [
        securedCluster('service', at, secured(gateway), service),
        securedCluster('service as relay', at, secured(relay), service),
        securedCluster('relay', hop, secured(gateway), relay),
      ],
    })
  }, 150_000)

  beforeEach(() => {
    authenticator = byProxy()
    server.log.length = 0
    seen = []
  })

  afterAll(async () => {
    await envoy?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })

  /** Asks for a certificate on this port; the identity that it was issued to, or the refusal's status. */
  async function ask(
    at: string | number,
    as: Credential | undefined,
    ...forged: readonly string[]
  ): Promise<string | number> {
    const port = typeof at === 'number' ? at : envoy.ports.get(at)!
    const root = Buffer.from(pki.root.toPem())
    const [key, chain] = [as?.privateKey, as?.certificateChain].map((pem) => (pem ? Buffer.from(pem) : null))
    const channel = new Client(`localhost:${port}`, credentials.createSsl(root, key, chain))
    try {
      const message = proto.octets(1, (await newRequest()).request.toPem())
      const headers = forged.map((value) => [xfcc, value] as const)
      const answer = await callBy(channel, message, { headers })
      if (answer.code !== 0) return answer.code
      const { uris } = Certificate.fromPem(answer.certChain[0]!).toJSON() as { readonly uris: string[] }
      return uris.join()
    } finally {
      channel.close()
    }
  }

  const of = (id: SpiffeId): Credential => credentialOf.get(id)!
  const reasons = (): unknown[] => server.log.map(({ reason }) => reason)
  const forged = `By=${gateway};Hash=${'0'.repeat(64)};URI=${admin}`

  it.each(['sanitize', 'append', 'everything'])('%s: the caller is the client, not the proxy', async (at) => {
    expect(await ask(at, of(client))).toBe(client.toString())
    expect(await ask(at, of(admin))).toBe(admin.toString())
  })

  it('tells which proxy and which certificate it was', async () => {
    let caller: Caller | undefined
    const xfccOnly = byProxy()
    authenticator = {
      name: 'noting',
      authenticate: async (request) => (caller = await xfccOnly.authenticate(request)),
    }
    await ask('everything', of(client))
    const certificateSha256 = createHash('sha256').update(of(client).certificate.der).digest('hex')
    expect(caller?.claims).toMatchObject({ proxy: gateway.toString(), certificateSha256 })
  })

  it.each([
    [forged],
    [`${forged},${forged}`],
    [forged.replaceAll('=', '=="')],
    [`${forged};Subject="`],
    [`${forged};Subject="\\`],
    [`${forged},`],
    [`${forged};`],
    [`${forged}\\`],
    ['By='],
    ['"'],
  ])('the forged header %s brings nobody else', async (header) => {
    expect(await ask('sanitize', of(client), header)).toBe(client.toString())
    expect(seen.join()).not.toContain(admin.toString())
    for (const at of ['append', 'everything'])
      expect([client.toString(), unauthenticated]).toContain(await ask(at, of(client), header))
  })

  it('a well-formed forged header, or two, came before: the client is still the client', async () => {
    expect(await ask('append', of(client), forged)).toBe(client.toString())
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatch(`${forged},By=${gateway};`)
    expect(await ask('append', of(client), forged, forged)).toBe(client.toString())
  })

  it('By must name the proxy that has shown its identity', async () => {
    authenticator = byProxy({ proxyIdentities: [relay] })
    expect(await ask('sanitize', of(client))).toBe(unauthenticated)
    expect(reasons()).toEqual([expect.stringContaining(gateway.toString())])
  })

  it('who comes without a proxy is refused with the header, whoever it is', async () => {
    const { port } = server.server
    for (const as of [of(client), undefined]) expect(await ask(port, as, forged)).toBe(unauthenticated)
    expect(reasons()).toEqual([
      expect.stringContaining(client.toString()),
      expect.stringContaining('no certificate'),
    ])
    authenticator = byProxy({ proxyNetworks: ['10.0.0.0/8'] })
    expect(await ask('sanitize', of(client))).toBe(unauthenticated)
    expect(reasons().at(-1)).toMatch(/127\.0\.0\.1/)
  })

  it('a client without a certificate is not the proxy that forwards it', async () => {
    authenticator = anyOf(byProxy(), byCertificate())
    expect(await ask('anonymous', undefined)).toBe(unauthenticated)
    expect(await ask('anonymous', undefined, forged)).toBe(unauthenticated)
    expect(seen).toEqual([])
    expect(await ask('anonymous', of(client), forged)).toBe(client.toString())
    // Not through the proxy: by its own certificate.
    expect(await ask(server.server.port, of(client))).toBe(client.toString())
  })

  it('behind two proxies nobody is taken for the first of them', async () => {
    expect(await ask('first of two', of(client))).toBe(unauthenticated)
    expect(seen[0]).toMatch(new RegExp(`^By=${gateway};.*URI=${client},By=${relay};.*URI=${gateway}$`))
  })

  it('a revoked proxy is refused at its next request, on the connection that it has open', async () => {
    expect(await ask('sanitize', of(client))).toBe(client.toString())
    await pki.issuance.revoke(
      of(gateway).certificate.serialNumber,
      'keyCompromise',
      callerOf(gateway.toString()),
    )
    expect(await ask('sanitize', of(client))).toBe(unauthenticated)
    expect(reasons().at(-1)).toMatch(/revoked/i)
  })
})
