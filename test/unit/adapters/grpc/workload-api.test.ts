// The SPIFFE Workload API: our client against our server, and raw calls against both.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { Client, Metadata, Server, ServerCredentials, credentials } from '@grpc/grpc-js'
import type { ServerWritableStream, ServiceError } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createWorkloadApiServer,
  createWorkloadApiSource,
} from '../../../../src/adapters/grpc/workload-api/index.ts'
import type { WorkloadApiSource } from '../../../../src/adapters/grpc/workload-api/api-source.ts'
import { workloadMethods } from '../../../../src/adapters/grpc/workload-api/service-definition.ts'
import type { WorkloadMethod } from '../../../../src/adapters/grpc/workload-api/service-definition.ts'
import type { WorkloadApiServerOptions } from '../../../../src/adapters/grpc/workload-api/workload-server.ts'
import {
  JWTBundlesResponseSchema,
  X509SVIDResponseSchema,
} from '../../../../src/adapters/grpc/gen/spiffe/workload_pb.ts'
import { connectTls, createTlsIdentity, createTlsServer } from '../../../../src/adapters/tls/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { createJwtSource } from '../../../../src/secrets/index.ts'
import { LatestValue } from '../../../../src/secrets/internal.ts'
import type { WorkloadSource } from '../../../../src/secrets/index.ts'
import type { WorkloadState } from '../../../../src/secrets/internal.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe/index.ts'
import { JwtAuthority, TrustBundle, issueJwtSvid } from '../../../../src/svid/index.ts'
import { Crl } from '../../../../src/x509/index.ts'
import { contracts } from '../../../../src/testing/index.ts'
import { closedAfterEach } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { failingCases } from '../../../support/contract.ts'
import { meshId, newRoot, openMesh } from '../../../support/mesh.ts'
import type { Mesh } from '../../../support/mesh.ts'

const otherId = 'spiffe://example.org/ns/prod/sa/other'
const kept = closedAfterEach()
const jwtKey = await SoftwareSigner.generate('P-256')
let mesh: Mesh

beforeEach(async () => {
  mesh = await openMesh([meshId, otherId], {
    issueJwtSvid: (id, audience) => issueJwtSvid({ id, audience: [...audience], keyId: 'k1' }, jwtKey),
  })
})
afterEach(async () => mesh[Symbol.asyncDispose]())

async function serve(options: Partial<WorkloadApiServerOptions> = {}): Promise<string> {
  const server = await createWorkloadApiServer({
    address: mesh.address,
    ...('attestor' in options ? {} : { workload: mesh.secrets }),
    ...options,
  })
  kept({ [Symbol.asyncDispose]: () => server.close(0) })
  return server.address
}

async function sourceOf(address: string, id?: string): Promise<WorkloadApiSource> {
  return kept(await createWorkloadApiSource({ address, ...(id === undefined ? {} : { id }) }))
}

interface Answer<Response> {
  readonly messages: Response[]
  status: Partial<ServiceError> | undefined
  cancel(): void
}

/** A raw call, with or without the header. */
function ask<Request extends DescMessage, Response extends DescMessage>(
  address: string,
  method: WorkloadMethod<Request, Response>,
  request: MessageInitShape<Request>,
  headers: readonly string[] = ['true'],
): Answer<MessageShape<Response>> {
  const client = new Client(address.replace('tcp://', ''), credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  })
  const metadata = new Metadata()
  for (const value of headers) metadata.add('workload.spiffe.io', value)
  const stream = client.makeServerStreamRequest(
    method.path,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes) => fromBinary(method.response, bytes),
    toBinary(method.request, create(method.request, request)),
    metadata,
  )
  const answer: Answer<MessageShape<Response>> = {
    messages: [],
    status: undefined,
    cancel: () => stream.cancel(),
  }
  kept({ [Symbol.asyncDispose]: async () => client.close() })
  stream.on('data', (message: MessageShape<Response>) => answer.messages.push(message))
  stream.on('error', (error: Partial<ServiceError>) => (answer.status ??= error))
  stream.on('end', () => (answer.status ??= {}))
  return answer
}

/** A server that writes what a test tells it to write. */
async function dictated(...names: readonly (keyof typeof workloadMethods)[]): Promise<{
  readonly address: string
  readonly streams: readonly ServerWritableStream<unknown, Uint8Array>[]
}> {
  const streams: ServerWritableStream<unknown, Uint8Array>[] = []
  const server = new Server()
  const method = (name: keyof typeof workloadMethods) => ({
    path: workloadMethods[name].path,
    requestStream: false as const,
    responseStream: true as const,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
    responseDeserialize: (bytes: Buffer) => bytes,
  })
  const handler = (call: ServerWritableStream<unknown, Uint8Array>): void => void streams.push(call)
  server.addService(
    Object.fromEntries(names.map((name) => [name, method(name)])),
    Object.fromEntries(names.map((name) => [name, handler])),
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  kept({ [Symbol.asyncDispose]: async () => server.forceShutdown() })
  return { address: `tcp://127.0.0.1:${port}`, streams }
}

describe('the server', () => {
  test.each([[[]], [['false']], [['True']], [['true', 'true']]])('refuses the header %j', async (headers) => {
    const address = await serve()
    for (const [method, request] of [
      [workloadMethods.FetchX509SVID, {}],
      [workloadMethods.FetchX509Bundles, {}],
      [workloadMethods.FetchJWTBundles, {}],
      [workloadMethods.FetchJWTSVID, { audience: ['x'] }],
      [workloadMethods.ValidateJWTSVID, { audience: 'x', svid: 'x' }],
    ] as const) {
      const answer = ask(address, method as WorkloadMethod<DescMessage, DescMessage>, request, headers)
      await expect.poll(() => answer.status?.code).toBe(3)
      expect(answer.messages).toEqual([])
    }
  })

  test('sends the whole state at once and after each change, the default identity first', async () => {
    mesh.crls = await mesh.authority.issueCrls()
    mesh.secrets.update()
    const answer = ask(await serve(), workloadMethods.FetchX509SVID, {})
    await expect.poll(() => answer.messages.length).toBe(1)
    const [first] = answer.messages
    expect(first!.svids.map(({ spiffeId }) => spiffeId)).toEqual([meshId, otherId])
    expect(first!.crl.map((der) => Crl.parse(der).crlNumber)).toEqual([mesh.crls[0]!.crlNumber])
    expect(first!.federatedBundles).toEqual({})
    const foreign = await newRoot('example.com')
    mesh.bundles.set(new TrustBundle('example.com', { x509Authorities: [foreign.certificate] }))
    await expect.poll(() => answer.messages.length).toBe(2)
    expect(Object.keys(answer.messages[1]!.federatedBundles)).toEqual(['spiffe://example.com'])
    expect(answer.messages[1]!.svids).toEqual(first!.svids)
    mesh.bundles.delete('example.com')
    await expect.poll(() => answer.messages.length).toBe(3)
    expect(answer.messages[2]!.federatedBundles).toEqual({})
  })

  test('JWK sets have kid and no use; every bundle is in every message', async () => {
    const before = mesh.bundles.bundles[0]!
    mesh.bundles.set(before.with({ jwtAuthorities: [JwtAuthority.from('k1', jwtKey.publicKey)] }))
    const address = await serve()
    const jwt = ask(address, workloadMethods.FetchJWTBundles, {})
    await expect.poll(() => jwt.messages.length).toBe(1)
    const { keys } = JSON.parse(Buffer.from(jwt.messages[0]!.bundles['spiffe://example.org']!).toString())
    expect(keys).toEqual([expect.objectContaining({ kid: 'k1', kty: 'EC', crv: 'P-256' })])
    expect(keys[0]).not.toHaveProperty('use')
    const x509 = ask(address, workloadMethods.FetchX509Bundles, {})
    await expect.poll(() => x509.messages.length).toBe(1)
    expect(Object.keys(x509.messages[0]!.bundles)).toEqual(['spiffe://example.org'])
  })

  test('JWT-SVIDs: issued, validated, refused', async () => {
    const before = mesh.bundles.bundles[0]!
    mesh.bundles.set(before.with({ jwtAuthorities: [JwtAuthority.from('k1', jwtKey.publicKey)] }))
    const address = await serve()
    const all = ask(address, workloadMethods.FetchJWTSVID, { audience: ['db'] })
    await expect.poll(() => all.messages[0]?.svids.map(({ spiffeId }) => spiffeId)).toEqual([meshId, otherId])
    const token = all.messages[0]!.svids[0]!.svid
    const validated = ask(address, workloadMethods.ValidateJWTSVID, { audience: 'db', svid: token })
    await expect.poll(() => validated.messages[0]?.spiffeId).toBe(meshId)
    expect(validated.messages[0]!.claims).toMatchObject({ sub: meshId, aud: 'db' })
    const statusOf = async (answer: Answer<unknown>): Promise<number | undefined> => {
      await expect.poll(() => answer.status?.code).toBeTypeOf('number')
      return answer.status?.code
    }
    const jwt = (request: object): Answer<unknown> => ask(address, workloadMethods.FetchJWTSVID, request)
    const check = (request: object): Answer<unknown> => ask(address, workloadMethods.ValidateJWTSVID, request)
    expect(await statusOf(jwt({ audience: [] }))).toBe(3)
    expect(await statusOf(jwt({ audience: ['db'], spiffeId: 'x' }))).toBe(3)
    expect(await statusOf(jwt({ audience: ['db'], spiffeId: 'spiffe://example.org/nobody' }))).toBe(7)
    expect(await statusOf(check({ audience: 'other', svid: token }))).toBe(3)
    expect(await statusOf(check({ audience: 'db', svid: `${token}x` }))).toBe(3)
    expect(await statusOf(check({ audience: 'db' }))).toBe(3)
  })

  test('calls of one connection for tokens begin one in a turn of the event loop', async () => {
    let [inTurn, most, begun] = [0, 0, 0]
    const workload: WorkloadSource = {
      state: mesh.secrets.state,
      onChange: () => () => undefined,
      fetchJwtSvids: () => {
        begun++
        most = Math.max(most, ++inTurn)
        setImmediate(() => (inTurn = 0))
        return Promise.resolve([])
      },
    }
    const address = await serve({ workload })
    const { path, request } = workloadMethods.FetchJWTSVID
    const client = new Client(address, credentials.createInsecure())
    const metadata = new Metadata()
    metadata.set('workload.spiffe.io', 'true')
    const asked = toBinary(request, create(request, { audience: ['x'] }))
    const call = (): Promise<unknown> =>
      new Promise((resolve) =>
        client.makeUnaryRequest(
          path,
          (bytes: Uint8Array) => Buffer.from(bytes),
          Buffer.from,
          asked,
          metadata,
          resolve,
        ),
      )
    await call() // an authenticated connection may have more calls than that of a stranger
    await Promise.all(Array.from({ length: 64 }, call))
    client.close()
    expect(begun).toBe(65)
    // The turn of this test's own counter comes after the next of the queue.
    expect(most).toBeLessThanOrEqual(2)
  })

  test('no identity, not ready yet and unreachable are three answers', async () => {
    const states = new LatestValue<WorkloadState>()
    const workload: WorkloadSource = {
      get state() {
        return states.value
      },
      onChange: (listener) => states.listen(listener),
    }
    const address = await serve({
      readyTimeoutMs: 30,
      attestor: {
        name: 'a',
        attest: async ({ header }) => (header('who')[0] === 'x' ? undefined : workload),
      },
    })
    const early = ask(address, workloadMethods.FetchX509SVID, {})
    await expect.poll(() => early.status?.code).toBe(14)
    states.set({ identities: [], bundles: [], crls: [] })
    const none = ask(address, workloadMethods.FetchX509SVID, {})
    await expect.poll(() => none.status?.code).toBe(7)
    const jwt = ask(address, workloadMethods.FetchJWTSVID, { audience: ['x'] })
    await expect.poll(() => jwt.status?.code).toBe(12)
    // An identity that is withdrawn ends the stream.
    states.set(mesh.secrets.state!)
    const served = ask(address, workloadMethods.FetchX509SVID, {})
    await expect.poll(() => served.messages.length).toBe(1)
    states.set({ identities: [], bundles: [], crls: [] })
    await expect.poll(() => served.status?.code).toBe(7)
  })

  test('a client that leaves before its workload is ready leaves no place taken', async () => {
    let attested = 0
    const waiting: WorkloadSource = { state: undefined, onChange: () => () => undefined }
    const attestor = {
      name: 'a',
      attest: async ({ signal }: { readonly signal: AbortSignal }) => {
        if (++attested > 1) return mesh.secrets
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        return waiting
      },
    }
    const address = await serve({ attestor, readyTimeoutMs: 1, maxStreams: 1 })
    const client = new Client(address, credentials.createInsecure())
    kept({ [Symbol.asyncDispose]: async () => client.close() })
    const { path } = workloadMethods.FetchX509SVID
    const metadata = new Metadata()
    metadata.set('workload.spiffe.io', 'true')
    const octets = (bytes: Buffer): Buffer => bytes
    const begin = (): Promise<number> =>
      new Promise((resolve) => {
        const stream = client.makeServerStreamRequest(path, octets, octets, Buffer.alloc(0), metadata)
        stream.on('error', (error: ServiceError) => resolve(error.code))
        stream.on('data', () => {
          stream.cancel()
          resolve(0)
        })
        if (attested === 0)
          void expect
            .poll(() => attested)
            .toBe(1)
            .then(() => stream.cancel())
      })
    expect(await begin()).toBe(1)
    await expect.poll(begin).toBe(0)
  })

  test('slips do not open it', async () => {
    const { address, secrets } = mesh
    const bad: unknown[] = [
      { address },
      { address, workload: undefined },
      { address, workload: {} },
      { address: 'tcp://127.0.0.1:0', workload: secrets },
      { address, workload: secrets, attestor: { name: 'a', attest: async () => secrets } },
      { address, workload: secrets, readyTimeoutMs: 0 },
    ]
    for (const options of bad)
      await expect(createWorkloadApiServer(options as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('the source', () => {
  test('follows rotations, and is an X509Source with named secrets', async () => {
    const source = await sourceOf(await serve())
    const { svid, bundle } = await source.ready()
    expect(svid.id.toString()).toBe(meshId)
    expect(bundle.x509Authorities).toEqual(mesh.authority.roots)
    expect(source.status).toMatchObject({ state: 'current', lastError: undefined })
    expect(await source.workload.get(otherId)).toMatchObject({ type: 'certificate' })
    await mesh.sources[0]!.renew()
    const serial = (): string => mesh.sources[0]!.current.svid.leaf.serialNumber
    await expect.poll(() => source.current.svid.leaf.serialNumber).toBe(serial())
    await mesh.rotateRoot()
    await expect
      .poll(() =>
        source.bundleFor(TrustDomain.from('example.org'))?.x509Authorities.map((one) => one.toPem()),
      )
      .toEqual(mesh.authority.roots.map((one) => one.toPem()))
  })

  test('keeps the contracts of the workload and its secrets', async () => {
    const source = await sourceOf(await serve())
    await source.ready()
    const open = (): typeof source.workload => source.workload
    const change = async (): Promise<void> => void (await mesh.sources[0]!.renew())
    expect(await failingCases(contracts.WorkloadSource({ open, change }))).toEqual([])
    expect(await failingCases(contracts.SecretSource({ open, change, name: 'default' }))).toEqual([])
  })

  test('picks the identity that it is told to, and no other', async () => {
    const address = await serve()
    const { svid } = await (await sourceOf(address, otherId)).ready()
    expect(svid.id.toString()).toBe(otherId)
    const nobody = await sourceOf(address, 'spiffe://example.org/nobody')
    await expect.poll(() => nobody.status.lastError).toEqual(code('ERR_WORKLOAD_API'))
    expect(() => nobody.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
  })

  test('JWT-SVIDs of it are checked', async () => {
    const before = mesh.bundles.bundles[0]!
    mesh.bundles.set(before.with({ jwtAuthorities: [JwtAuthority.from('k1', jwtKey.publicKey)] }))
    const source = await sourceOf(await serve())
    await source.ready()
    await expect.poll(() => source.bundleFor(TrustDomain.from('example.org'))?.jwtAuthorities.length).toBe(1)
    const svid = await source.fetchJwtSvid({ audience: 'db' })
    expect([svid.id.toString(), svid.audience]).toEqual([meshId, ['db']])
    await expect(source.fetchJwtSvid({ audience: [] })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    await expect(source.fetchJwtSvid({ audience: 'db', id: 'spiffe://example.org/nobody' })).rejects.toThrow(
      code('ERR_WORKLOAD_API_DENIED'),
    )
    const stranger = SpiffeId.parse('spiffe://example.org/nobody')
    await expect(source.workload.fetchJwtSvids!({ audience: ['db'], id: stranger })).rejects.toThrow(
      code('ERR_POLICY_DENIED'),
    )
    // Signed by a key that the bundle does not have any more.
    mesh.bundles.set(before.with({ jwtAuthorities: [JwtAuthority.from('k2', jwtKey.publicKey)] }))
    await expect
      .poll(() => source.bundleFor(TrustDomain.from('example.org'))?.jwtAuthorities[0]?.keyId)
      .toBe('k2')
    await expect(source.fetchJwtSvid({ audience: 'db' })).rejects.toThrow(code('ERR_WORKLOAD_API'))
  })

  test('a hint chooses the JWT-SVID of one identity, and a source of tokens holds it', async () => {
    const { secrets } = mesh
    const hints = ['internal', 'external']
    const withHints = (state: WorkloadState | undefined): WorkloadState | undefined =>
      state && { ...state, identities: state.identities.map((one, at) => ({ ...one, hint: hints[at] })) }
    let asked = 0
    const workload: WorkloadSource = {
      get state() {
        return withHints(secrets.state)
      },
      onChange: (listener) => secrets.onChange((state) => listener(withHints(state)!)),
      fetchJwtSvids: (request) => {
        asked++
        return secrets.fetchJwtSvids!(request)
      },
    }
    const source = await sourceOf(await serve({ workload }))
    await source.ready()
    const jwt = kept(createJwtSource({ fetchToken: (request) => source.fetchJwtSvid(request) }))
    const idOf = async (choice: object): Promise<string> => (await jwt.svid('db', choice)).id.toString()
    expect(await idOf({ hint: 'external' })).toBe(otherId)
    expect(await idOf({ hint: 'internal' })).toBe(meshId)
    expect(await idOf({})).toBe(meshId)
    expect(await idOf({ id: otherId })).toBe(otherId)
    expect(await idOf({ hint: 'external' })).toBe(otherId)
    expect(asked).toBe(4)
    await expect(idOf({ hint: 'nobody' })).rejects.toThrow(code('ERR_WORKLOAD_API'))
    await expect(idOf({ hint: 'external', id: meshId })).rejects.toThrow(code('ERR_WORKLOAD_API'))
  })

  test('connects again after the server was away, and serves the valid SVID meanwhile', async () => {
    const first = await createWorkloadApiServer({ address: mesh.address, workload: mesh.secrets })
    const source = await sourceOf(first.address)
    const { svid } = await source.ready()
    await first.close(0)
    await expect.poll(() => source.status.state).toBe('failing')
    expect(source.current.svid).toBe(svid)
    await mesh.sources[0]!.renew()
    await serve()
    await expect.poll(() => source.status.state, { timeout: 10_000 }).toBe('current')
    expect(source.current.svid.leaf.serialNumber).toBe(mesh.sources[0]!.current.svid.leaf.serialNumber)
  })

  test('after PERMISSION_DENIED there is no SVID any more', async () => {
    let who: WorkloadSource | undefined = mesh.secrets
    const attestor = { name: 'a', attest: async () => who }
    const server = await createWorkloadApiServer({ address: mesh.address, attestor })
    const source = await sourceOf(server.address)
    await source.ready()
    who = undefined
    await server.close(0)
    await serve({ attestor })
    await expect
      .poll(() => source.status.lastError, { timeout: 10_000 })
      .toEqual(code('ERR_WORKLOAD_API_DENIED'))
    expect(() => source.current).toThrow(code('ERR_SVID_UNAVAILABLE'))
    expect(source.bundleFor(TrustDomain.from('example.org'))).toBeUndefined()
    await expect(source.workload.get('default')).rejects.toThrow(code('ERR_SECRET_UNKNOWN'))
  })

  test('after PERMISSION_DENIED connections that rest on what was taken back are closed', async () => {
    let who: WorkloadSource | undefined = mesh.secrets
    const attestor = { name: 'a', attest: async () => who }
    const api = await createWorkloadApiServer({ address: mesh.address, attestor })
    const source = await sourceOf(api.address)
    await source.ready()
    const own = kept(createTlsIdentity({ source }))
    const server = createTlsServer(own, { authorize: otherId }, (socket) => {
      socket.on('error', () => undefined)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    kept({ [Symbol.asyncDispose]: async () => void server.close() })
    const client = kept(createTlsIdentity({ source: mesh.sources[1]! }))
    const { port } = server.address() as AddressInfo
    const socket = connectTls(client, { id: meshId, host: '127.0.0.1', port })
    socket.on('error', () => undefined)
    const closed = once(socket, 'close')
    await expect.poll(() => own.connections.size).toBe(1)
    who = undefined
    await api.close(0)
    expect(own.connections.size).toBe(1)
    await serve({ attestor })
    await closed
    expect(source.status.lastError).toEqual(code('ERR_WORKLOAD_API_DENIED'))
    expect(own.connections.size).toBe(0)
  })

  test('bundles that come without the expected identity are looked at again too', async () => {
    const states = new LatestValue<WorkloadState>()
    states.set(mesh.secrets.state!)
    const workload: WorkloadSource = {
      get state() {
        return states.value
      },
      onChange: (listener) => states.listen(listener),
    }
    const source = await sourceOf(await serve({ workload }), otherId)
    await source.ready()
    let told = 0
    source.onWithdrawn?.(() => told++)
    const { identities, ...rest } = states.value!
    states.set({ ...rest, identities: identities.slice(0, 1) })
    await expect.poll(() => told).toBeGreaterThan(0)
    expect(source.status.lastError).toEqual(code('ERR_WORKLOAD_API'))
  })

  test('a renewal ends with the source, or with its signal', async () => {
    const source = await sourceOf(await serve())
    await source.ready()
    await expect(source.renew(AbortSignal.abort())).rejects.toThrow(code('ERR_ABORTED'))
    const renewal = expect(source.renew()).rejects.toThrow(code('ERR_CLOSED'))
    await source[Symbol.asyncDispose]()
    await renewal
    await expect(source.renew()).rejects.toThrow(code('ERR_CLOSED'))
  })

  test('keeps no call and no signal of a JWT-SVID that it has fetched', async () => {
    const source = await sourceOf(await serve())
    await source.ready()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const signals: WeakRef<AbortSignal>[] = []
    for (let count = 0; count < 20; count++) {
      const { signal } = new AbortController()
      signals.push(new WeakRef(signal))
      await source.fetchJwtSvid({ audience: 'x', signal })
    }
    const held = async (): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve))
      collect()
      return signals.filter((one) => one.deref() !== undefined).length
    }
    await expect.poll(held).toBeLessThan(5)
  })

  type Message = MessageShape<typeof X509SVIDResponseSchema>
  const broken: readonly [string, (message: Message) => void][] = [
    ['no identity', (message) => void (message.svids = [])],
    ['no SPIFFE ID', (message) => void (message.svids[0]!.spiffeId = '')],
    ['the ID of another', (message) => void (message.svids[0]!.spiffeId = otherId)],
    ['the key of another', (message) => void (message.svids[0]!.x509SvidKey = message.svids[1]!.x509SvidKey)],
    ['no key', (message) => void (message.svids[0]!.x509SvidKey = new Uint8Array())],
    ['no certificate', (message) => void (message.svids[0]!.x509Svid = new Uint8Array())],
    ['no bundle', (message) => void (message.svids[0]!.bundle = new Uint8Array())],
    [
      'octets after the certificates',
      (message) =>
        void (message.svids[0]!.x509Svid = Buffer.concat([message.svids[0]!.x509Svid, Buffer.from([0])])),
    ],
    [
      'the certificate as its own root',
      (message) => void (message.svids[0]!.bundle = message.svids[0]!.x509Svid),
    ],
  ]

  test.each(broken)('discards an answer with %s, and keeps the one of before', async (_name, change) => {
    const held = ask(await serve(), workloadMethods.FetchX509SVID, {})
    await expect.poll(() => held.messages.length).toBe(1)
    const good = held.messages[0]!
    const { address, streams } = await dictated('FetchX509SVID')
    const source = await sourceOf(address)
    await expect.poll(() => streams.length).toBe(1)
    streams[0]!.write(toBinary(X509SVIDResponseSchema, good))
    const { svid } = await source.ready()
    change(good)
    streams[0]!.write(toBinary(X509SVIDResponseSchema, good))
    await expect.poll(() => source.status.lastError).toEqual(code('ERR_WORKLOAD_API'))
    expect(source.current.svid).toBe(svid)
    expect(source.status.state).toBe('failing')
  })

  test('what it cannot use of a message ends no process', async () => {
    const held = ask(await serve(), workloadMethods.FetchX509SVID, {})
    await expect.poll(() => held.messages.length).toBe(1)
    const x509 = await dictated('FetchX509SVID', 'FetchJWTBundles')
    let isBroken = false
    const id = (): boolean => {
      if (isBroken) throw new Error('broken')
      return true
    }
    const source = kept(
      await createWorkloadApiSource({ address: x509.address, id: Object.assign(id, { description: '' }) }),
    )
    await expect(source.fetchJwtSvid({ audience: 'x' })).rejects.toThrow(code('ERR_SVID_UNAVAILABLE'))
    const streamOf = async (path: string): Promise<ServerWritableStream<unknown, Uint8Array>> => {
      await expect.poll(() => x509.streams.some((call) => call.getPath() === path)).toBe(true)
      return x509.streams.find((call) => call.getPath() === path)!
    }
    const svids = await streamOf(workloadMethods.FetchX509SVID.path)
    svids.write(toBinary(X509SVIDResponseSchema, held.messages[0]!))
    const { svid } = await source.ready()
    const bundles = await streamOf(workloadMethods.FetchJWTBundles.path)
    const authority = JwtAuthority.from('k1', jwtKey.publicKey)
    const otherAuthority = JwtAuthority.from('k1', (await SoftwareSigner.generate('P-256')).publicKey)
    const keys = Buffer.from(JSON.stringify({ keys: [authority.toJwk()] }))
    const send = (names: readonly string[]): void => {
      const content = Object.fromEntries(names.map((name) => [name, keys]))
      const message = create(JWTBundlesResponseSchema, { bundles: content })
      bundles.write(toBinary(JWTBundlesResponseSchema, message))
    }
    const twoKeysOfOneId = Buffer.from(JSON.stringify({ keys: [authority.toJwk(), otherAuthority.toJwk()] }))
    bundles.write(
      toBinary(
        JWTBundlesResponseSchema,
        create(JWTBundlesResponseSchema, {
          bundles: { 'spiffe://two.example': twoKeysOfOneId, 'spiffe://example.org': keys },
        }),
      ),
    )
    const known = (): unknown => source.bundleFor(TrustDomain.from('example.org'))?.jwtAuthorities.length
    await expect.poll(known).toBe(1)
    send([])
    await expect.poll(known).toBe(0)
    send(['no trust domain!', 'spiffe://example.org'])
    await expect.poll(known).toBe(1)
    isBroken = true
    send([])
    await expect.poll(() => source.status.state).toBe('failing')
    expect(source.current.svid).toBe(svid)
  })

  test('an address is required, from the options or the environment', async () => {
    for (const options of [{ address: 'unix://x' }, { address: 'http://127.0.0.1:1' }, { id: undefined }])
      await expect(createWorkloadApiSource(options as never)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    const before = process.env['SPIFFE_ENDPOINT_SOCKET']
    try {
      delete process.env['SPIFFE_ENDPOINT_SOCKET']
      await expect(createWorkloadApiSource()).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
      process.env['SPIFFE_ENDPOINT_SOCKET'] = await serve()
      const source = kept(await createWorkloadApiSource())
      expect((await source.ready()).svid.id.toString()).toBe(meshId)
    } finally {
      if (before === undefined) delete process.env['SPIFFE_ENDPOINT_SOCKET']
      else process.env['SPIFFE_ENDPOINT_SOCKET'] = before
    }
  })

  test('a server that does not know the service is asked no more', async () => {
    const server = new Server()
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    kept({ [Symbol.asyncDispose]: async () => server.forceShutdown() })
    const source = await sourceOf(`tcp://127.0.0.1:${port}`)
    await expect(source.ready()).rejects.toThrow(code('ERR_WORKLOAD_API'))
  })
})
