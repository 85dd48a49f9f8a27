// The Secret Discovery Service on the wire: who is served, what is sent, and when nothing is.

import { existsSync, lstatSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createSdsServer } from '../../../../src/adapters/grpc/sds/index.ts'
import type { SdsServerOptions } from '../../../../src/adapters/grpc/sds/sds-server.ts'
import type { SecretSource } from '../../../../src/secrets/index.ts'
import { TrustBundle } from '../../../../src/svid/index.ts'
import { Certificate, Crl } from '../../../../src/x509/index.ts'
import { closedAfterEach } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { meshId, newRoot, openMesh } from '../../../support/mesh.ts'
import { oddDelays } from '../../../support/odd-delays.ts'
import type { Mesh } from '../../../support/mesh.ts'
import {
  SdsClient,
  pemOf,
  secretsIn,
  secretsInDelta,
  textOf,
  trustDomainsOf,
} from '../../../support/sds-client.ts'

const kept = closedAfterEach()
const clients: SdsClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client[Symbol.dispose]()
})

const node = { id: 'test' }

function dial(address: string, options?: Record<string, unknown>): SdsClient {
  const client = new SdsClient(address, options)
  clients.push(client)
  return client
}

async function start(
  options: Partial<SdsServerOptions> = {},
  given?: Mesh,
): Promise<{ mesh: Mesh; client: SdsClient; address: string }> {
  const mesh = given ?? (await openMesh())
  const log: unknown[] = []
  const server = await createSdsServer({
    address: mesh.address,
    ...('attestor' in options ? {} : { secrets: mesh.secrets }),
    ...options,
  })
  kept({
    [Symbol.asyncDispose]: async () => {
      await server.close(0)
      await mesh[Symbol.asyncDispose]()
    },
  })
  expect(log).toEqual([])
  return { mesh, client: dial(server.address), address: server.address }
}

const serialOf = (pem: string): string => Certificate.listFromPem(pem)[0]!.serialNumber
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150))

describe('StreamSecrets', () => {
  test('answers at once, and sends only what changed', async () => {
    const { mesh, client } = await start()
    const stream = client.sotw()
    stream.send({ node, resourceNames: ['default', 'ROOTCA'] })
    await expect.poll(() => stream.responses.flatMap(secretsIn).length).toBe(2)
    const [certificate, authorities] = stream.responses.flatMap(secretsIn)
    expect(certificate).toMatchObject({ name: 'default', type: { case: 'tlsCertificate' } })
    expect(authorities).toMatchObject({ name: 'ROOTCA', type: { case: 'validationContext' } })
    expect(pemOf(authorities!)).toBe(mesh.authority.roots[0]!.toPem())
    expect(serialOf(pemOf(certificate!))).toBe(mesh.sources[0]!.current.svid.leaf.serialNumber)
    const { versionInfo, nonce } = stream.responses.at(-1)!
    stream.send({ resourceNames: ['default', 'ROOTCA'], versionInfo, responseNonce: nonce })
    const before = stream.responses.length
    await mesh.sources[0]!.renew()
    await expect.poll(() => stream.responses.length).toBe(before + 1)
    const changed = secretsIn(stream.responses.at(-1)!)
    expect(changed.map(({ name }) => name)).toEqual(['default'])
    expect(serialOf(pemOf(changed[0]!))).toBe(mesh.sources[0]!.current.svid.leaf.serialNumber)
    mesh.secrets.update() // nothing is different
    await settled()
    expect(stream.responses.length).toBe(before + 1)
  })

  test('a name that there is not does not fail the others, and is sent when there is one', async () => {
    const { mesh, client } = await start()
    const stream = client.sotw()
    stream.send({ node, resourceNames: ['spiffe://example.com', 'no such thing', 'default'] })
    await expect.poll(() => stream.responses.length).toBe(1)
    expect(secretsIn(stream.responses[0]!).map(({ name }) => name)).toEqual(['default'])
    const { certificate } = await newRoot('example.com')
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [certificate] }))
    await expect.poll(() => stream.responses.length).toBe(2)
    expect(pemOf(secretsIn(stream.responses[1]!)[0]!)).toBe(certificate.toPem())
    expect(stream.ended).toBeUndefined()
  })

  test('a trust domain that is taken out is trusted no longer', async () => {
    const { mesh, client } = await start()
    const { certificate } = await newRoot('example.com')
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [certificate] }))
    const stream = client.sotw()
    stream.send({ node, resourceNames: ['spiffe://example.com'] })
    await expect.poll(() => stream.responses.length).toBe(1)
    mesh.bundles.delete('example.com')
    await expect.poll(() => stream.responses.length).toBe(2)
    const pem = pemOf(secretsIn(stream.responses[1]!)[0]!)
    expect(Certificate.listFromPem(pem)[0]!.subject.toString()).toBe('CN=no authority')
  })

  test('no name, and "*", are every identity and every trust domain', async () => {
    const other = 'spiffe://example.org/ns/prod/sa/other'
    const { client } = await start({}, await openMesh([meshId, other]))
    for (const resourceNames of [[], ['*']]) {
      const stream = client.sotw()
      stream.send({ node, resourceNames })
      await expect
        .poll(() =>
          stream.responses
            .flatMap(secretsIn)
            .map(({ name }) => name)
            .sort(),
        )
        .toEqual(['spiffe://example.org', meshId, other].sort())
    }
  })

  test.each([
    ['without node', {}, 3],
    ['of another type', { node, typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' }, 3],
    ['with an empty name', { node, resourceNames: [''] }, 3],
    ['with too many names', { node, resourceNames: Array.from({ length: 65 }, (_, at) => `n${at}`) }, 8],
  ])('a first request %s ends the stream', async (_, request, status) => {
    const { client } = await start()
    const stream = client.sotw()
    stream.send(request)
    await expect.poll(() => stream.ended?.code).toBe(status)
  })

  test('a first request that rejects something is a first request', async () => {
    const { client } = await start()
    const stream = client.sotw()
    stream.send({
      node,
      resourceNames: ['default'],
      responseNonce: '7',
      errorDetail: { code: 13, message: 'no' },
    })
    await expect.poll(() => stream.responses.length).toBe(1)
  })

  test('what was rejected is not sent again, the next version is', async () => {
    const log: Record<string, unknown>[] = []
    const note = (): void => undefined
    const error = (fields: object, message: string): void => void log.push({ ...fields, message })
    const { mesh, client } = await start({ logger: { debug: note, info: note, warn: note, error } })
    const stream = client.sotw()
    stream.send({ node, resourceNames: ['default'] })
    await expect.poll(() => stream.responses.length).toBe(1)
    const { nonce } = stream.responses[0]!
    stream.send({
      resourceNames: ['default'],
      responseNonce: nonce,
      errorDetail: { code: 13, message: 'bad key' },
    })
    await expect.poll(() => log).toEqual([expect.objectContaining({ names: ['default'], reason: 'bad key' })])
    expect(stream.responses.length).toBe(1)
    await mesh.sources[0]!.renew()
    await expect.poll(() => stream.responses.length).toBe(2)
  })
})

describe('DeltaSecrets', () => {
  test('subscribes, unsubscribes, and resumes without sending again what the client has', async () => {
    const { mesh, client } = await start()
    const stream = client.delta()
    stream.send({ node, resourceNamesSubscribe: ['default'] })
    await expect.poll(() => stream.responses.length).toBe(1)
    const [first] = stream.responses
    expect(secretsInDelta(first!).map(({ name }) => name)).toEqual(['default'])
    stream.send({ responseNonce: first!.nonce, resourceNamesSubscribe: ['ROOTCA'] })
    await expect.poll(() => stream.responses.length).toBe(2)
    expect(secretsInDelta(stream.responses[1]!).map(({ name }) => name)).toEqual(['ROOTCA'])
    stream.send({ responseNonce: stream.responses[1]!.nonce, resourceNamesUnsubscribe: ['default'] })
    await settled()
    await mesh.sources[0]!.renew()
    await settled()
    expect(stream.responses.length).toBe(2)
    const version = stream.responses[1]!.resources[0]!.version
    const again = client.delta()
    again.send({
      node,
      resourceNamesSubscribe: ['default', 'ROOTCA'],
      initialResourceVersions: { ROOTCA: version },
    })
    await expect.poll(() => again.responses.length).toBe(1)
    expect(secretsInDelta(again.responses[0]!).map(({ name }) => name)).toEqual(['default'])
  })

  test('says of which names there is nothing', async () => {
    const { client } = await start()
    const stream = client.delta()
    stream.send({ node, resourceNamesSubscribe: ['nothing', 'default'] })
    await expect
      .poll(() => stream.responses.flatMap(({ removedResources }) => removedResources))
      .toEqual(['nothing'])
    await expect.poll(() => stream.responses.flatMap(secretsInDelta).length).toBe(1)
  })
})

describe('FetchSecrets', () => {
  test('gives what there is', async () => {
    const { client } = await start()
    const names = async (resourceNames: string[]): Promise<string[]> =>
      secretsIn(await client.fetch({ node, resourceNames })).map(({ name }) => name)
    expect(await names(['nothing', 'ROOTCA'])).toEqual(['ROOTCA'])
    expect((await names([])).sort()).toEqual(['spiffe://example.org', meshId].sort())
    await expect(names(['nothing'])).rejects.toMatchObject({ code: 5 })
    await expect(client.fetch({ resourceNames: ['default'] })).rejects.toMatchObject({ code: 3 })
  })
})

describe('secrets', () => {
  test('revocation lists go with the authorities of one trust domain', async () => {
    const { mesh, client } = await start()
    mesh.crls = await mesh.authority.issueCrls()
    mesh.secrets.update()
    const [context] = secretsIn(await client.fetch({ node, resourceNames: ['ROOTCA'] }))
    if (context?.type.case !== 'validationContext') throw new Error('no validation context')
    expect(Crl.fromPem(textOf(context.type.value.crl)).der).toEqual(mesh.crls[0]!.der)
    expect(context.type.value.onlyVerifyLeafCertCrl).toBe(true)
  })

  test('several trust domains are a configuration of the SPIFFE validator, each by itself', async () => {
    const { mesh, client } = await start()
    const foreign = await newRoot('example.com')
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [foreign.certificate] }))
    const [all] = secretsIn(await client.fetch({ node, resourceNames: ['ALL'] }))
    expect(trustDomainsOf(all!)).toEqual({
      'example.com': foreign.certificate.toPem(),
      'example.org': mesh.authority.roots[0]!.toPem(),
    })
  })

  test('a private key provider takes the place of the key', async () => {
    const { client } = await start({
      privateKeyProvider: ({ name }) => ({
        providerName: 'envoy.tls.key_providers.cryptomb',
        typeUrl: 'type.googleapis.com/test',
        config: new TextEncoder().encode(name),
        fallback: true,
      }),
    })
    const [secret] = secretsIn(await client.fetch({ node, resourceNames: ['default'] }))
    if (secret?.type.case !== 'tlsCertificate') throw new Error('no certificate')
    expect(secret.type.value.privateKey).toBeUndefined()
    expect(secret.type.value.privateKeyProvider).toMatchObject({
      providerName: 'envoy.tls.key_providers.cryptomb',
      fallback: true,
      configType: { value: { typeUrl: 'type.googleapis.com/test' } },
    })
  })
})

describe('the endpoint', () => {
  test('has its permissions, is removed at the end, and replaces a dead one only', async () => {
    const mesh = await openMesh()
    const path = mesh.address.slice('unix://'.length)
    const open = (): ReturnType<typeof createSdsServer> =>
      createSdsServer({ address: mesh.address, secrets: mesh.secrets, socketMode: 0o640 })
    const server = await open()
    expect(statSync(path).mode & 0o777).toBe(0o640)
    await expect(open()).rejects.toThrow(code('ERR_SERVER_START'))
    for (const odd of oddDelays) await expect(server.close(odd)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(existsSync(path), 'after a time to close that is none').toBe(true)
    await server.close(0)
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, 'not a socket')
    await expect(open()).rejects.toThrow(code('ERR_SERVER_START'))
    expect(lstatSync(path).isFile()).toBe(true)
    await mesh[Symbol.asyncDispose]()
  })

  test('a process that listens already keeps the path', async () => {
    const mesh = await openMesh()
    const other = createServer().listen(mesh.address.slice('unix://'.length))
    await expect(createSdsServer({ address: mesh.address, secrets: mesh.secrets })).rejects.toThrow(
      code('ERR_SERVER_START'),
    )
    other.close()
    await mesh[Symbol.asyncDispose]()
  })

  test('slips do not open it', async () => {
    const mesh = await openMesh()
    const { address, secrets } = mesh
    const attestor = { name: 'a', attest: async () => secrets as SecretSource }
    const bad: unknown[] = [
      {},
      { address },
      { address, secrets: undefined },
      { address, secrets, attestor },
      { address, secrets: {} },
      { address: 'tcp://127.0.0.1:0', secrets },
      { address: 'tcp://0.0.0.0:0', attestor },
      { address: 'tcp://localhost:0', attestor },
      { address: 'unix://relative', secrets },
      { address: `unix:///${'x'.repeat(120)}`, secrets },
      { address, secrets, crlScope: 'none' },
      { address, secrets, socketMode: 0o1777 },
      { address, secrets, maxNames: 0 },
    ]
    for (const options of bad)
      await expect(createSdsServer(options as never), JSON.stringify(options)).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    await mesh[Symbol.asyncDispose]()
  })

  test('on TCP an attestor says who is served', async () => {
    const mesh = await openMesh()
    const { client } = await start(
      {
        address: 'tcp://127.0.0.1:0',
        attestor: {
          name: 'by header',
          attest: async ({ header, peer }) => {
            expect(peer?.address).toBe('127.0.0.1')
            if (header('who')[0] === 'broken') throw new Error('secret detail')
            return header('who')[0] === 'me' ? mesh.secrets : undefined
          },
        },
      },
      mesh,
    )
    const ask = client.fetch({ node, resourceNames: ['default'] })
    await expect(ask).rejects.toMatchObject({ code: 7, details: 'no identity issued' })
    client.metadata.set('who', 'broken')
    await expect(client.fetch({ node, resourceNames: ['default'] })).rejects.toMatchObject({
      code: 14,
      details: expect.not.stringContaining('secret detail'),
    })
    client.metadata.set('who', 'me')
    expect(secretsIn(await client.fetch({ node, resourceNames: ['default'] }))).toHaveLength(1)
  })

  test('version 2 is told that it is not served', async () => {
    const { client } = await start()
    const stream = client.sotw('/envoy.service.discovery.v2.SecretDiscoveryService/StreamSecrets')
    stream.send({ node, resourceNames: ['default'] })
    await expect.poll(() => stream.ended).toMatchObject({ code: 12, details: expect.stringContaining('V3') })
  })
})
