// The service when what it stands on fails: authenticators, issuers, hosts and clients that hang, break,
// leave or talk too much.

import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { Server, connect as tcp } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { certificateServiceHandlers } from '../../../../src/adapters/grpc/index.ts'
import type { CertificateServer } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import type { CertificateServerOptions } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import { ApiKeyAuthenticator, CompositeAuthenticator } from '../../../../src/auth/index.ts'
import { MemoryCertificateStore } from '../../../../src/ca/records/memory/memory-certificate-store.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import type { PkiErrorCode } from '../../../../src/errors/index.ts'
import type { IssuanceService } from '../../../../src/issuance/index.ts'
import { FakeClock } from '../../../../src/testing/index.ts'
import { callRaw, closedAfterEach, proto, startTestServer } from '../../../support/certificate-server.ts'
import type { TestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { deferred } from '../../../support/deferred.ts'
import { Told } from '../../../support/listener.ts'
import { oddDelays } from '../../../support/odd-delays.ts'
import { callerOf, newRequest, testPki, tlsCredential, workloadId } from '../../../support/pki.ts'
import { recordsOf, storedIn } from '../../../support/storage.ts'
import type { TestPki } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const { request: csr } = await newRequest()
const request = proto.octets(1, csr.toPem())

async function start(
  options: Partial<CertificateServerOptions> = {},
  own: TestPki = pki,
): Promise<TestServer> {
  return keep(await startTestServer(options, own))
}

/** Something that hangs, and says when it began. */
function hanging(): { readonly begun: Promise<void>; readonly hang: () => Promise<never> } {
  const { promise: begun, resolve: begin } = deferred()
  return {
    begun,
    hang: () => {
      begin()
      return new Promise<never>(() => undefined)
    },
  }
}

const issuanceThat = (issue: () => Promise<never>): IssuanceService => ({ ...pki.issuance, issue })

describe('what never answers', () => {
  it.each([
    {
      what: 'an authenticator',
      options: (hang: () => Promise<never>) => ({ authenticator: { name: 'x', authenticate: hang } }),
      identity: '',
    },
    {
      what: 'a judge of impersonation',
      options: (hang: () => Promise<never>) => ({ impersonation: { authorize: hang } }),
      identity: 'spiffe://example.org/x',
    },
    {
      what: 'an issuer',
      options: (hang: () => Promise<never>) => ({ issuance: issuanceThat(hang) }),
      identity: '',
    },
  ])(
    '$what is answered for when its time is over, and holds its place until ten times that',
    async ({ options, identity }) => {
      const clock = new FakeClock()
      const { begun, hang } = hanging()
      let hangs = true
      const other = {
        authenticator: { name: 'x', authenticate: async () => callerOf() },
        impersonation: { authorize: async () => callerOf('spiffe://example.org/x') },
        issuance: pki.issuance,
      }
      const broken = options(hang) as Partial<CertificateServerOptions>
      const either = <Key extends keyof typeof other>(key: Key): (typeof other)[Key] =>
        new Proxy(other[key], {
          get: (working, name) => {
            const target = hangs ? (broken[key] ?? working) : working
            const value = Reflect.get(target, name) as unknown
            return typeof value === 'function' ? (value.bind(target) as unknown) : value
          },
        })
      const { server, log } = await start({
        clock,
        maxInFlight: 1,
        authenticator: either('authenticator'),
        impersonation: either('impersonation'),
        issuance: either('issuance'),
      })
      const message = Buffer.concat([
        request,
        identity === '' ? Buffer.alloc(0) : proto.metadata({ ImpersonatedIdentity: proto.text(identity) }),
      ])
      const asking = callRaw(server, pki.root, message)
      await begun
      clock.advance(29_999)
      expect(await callRaw(server, pki.root, message)).toMatchObject({ code: 8 })
      clock.advance(1)
      expect(await asking).toMatchObject({ code: 4, certChain: [] })
      expect(log).toContainEqual(code('ERR_TIMEOUT'))
      hangs = false
      expect(await callRaw(server, pki.root, message)).toMatchObject({ code: 8 })
      clock.advance(10 * 30_000)
      expect(await callRaw(server, pki.root, message)).toMatchObject({ code: 0 })
    },
  )

  it('has its own time, and none left over', async () => {
    const clock = new FakeClock()
    const { begun, hang } = hanging()
    const { server } = await start({ clock, timeoutMs: 50, issuance: issuanceThat(hang) })
    const asking = callRaw(server, pki.root, request)
    await begun
    clock.advance(50)
    expect(await asking).toMatchObject({ code: 4, details: expect.stringContaining('ERR_TIMEOUT') })
  })

  it('tells who works on it that the time is over', async () => {
    const clock = new FakeClock()
    let signal: AbortSignal | undefined
    const { begun, hang } = hanging()
    const { server } = await start({
      clock,
      authenticator: {
        name: 'x',
        authenticate: (asked) => {
          signal = asked.signal
          return hang()
        },
      },
    })
    const asking = callRaw(server, pki.root, request)
    await begun
    clock.advance(30_000)
    await asking
    expect(signal?.aborted).toBe(true)
  })
})

describe('a client that leaves', () => {
  it.each([
    {
      what: 'by cancelling',
      leave: (gone: AbortController) => gone.abort(),
      raw: (signal: AbortSignal) => ({ signal }),
      status: 1,
    },
    {
      what: 'because its time is over',
      leave: () => undefined,
      raw: () => ({ deadline: Date.now() + 1000 }),
      status: 4,
    },
  ])('$what leaves its place taken until the work ends', async ({ leave, raw, status }) => {
    const begun = deferred()
    const work = deferred()
    const { server, log } = await start({
      maxInFlight: 1,
      authenticator: {
        name: 'x',
        authenticate: async () => {
          begun.resolve()
          await work.promise
          return callerOf()
        },
      },
    })
    const gone = new AbortController()
    const asking = callRaw(server, pki.root, request, raw(gone.signal))
    await begun.promise
    leave(gone)
    expect(await asking).toMatchObject({ code: status })
    await expect.poll(() => log).toContainEqual(code('ERR_ABORTED'))
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 8 })
    work.resolve()
    await expect.poll(async () => (await callRaw(server, pki.root, request)).code).toBe(0)
  })

  it('before it was looked at gets its answer at once, whoever hangs', async () => {
    const { hang } = hanging()
    const handlers = certificateServiceHandlers({
      issuance: pki.issuance,
      authenticator: { name: 'x', authenticate: hang },
    })
    const listening = new Set<unknown>()
    const call = {
      metadata: { get: () => [] },
      getPeer: () => 'x:1',
      getAuthContext: () => ({}),
      cancelled: true,
      request: { csr: '', validityDuration: 0n },
      on: (_name: string, listener: unknown) => listening.add(listener),
      off: (_name: string, listener: unknown) => listening.delete(listener),
    }
    const create = handlers['CreateCertificate'] as unknown as (
      call: unknown,
      reply: (error: unknown) => void,
    ) => void
    const answer = await new Promise((resolve) => create(call, resolve))
    expect(answer).toMatchObject({ code: 1 })
    expect(listening.size).toBe(0)
  })

  it('while its intent is written gets nothing signed', async () => {
    const inner = new MemoryCertificateStore()
    const [begun, gate] = [deferred(), deferred()]
    const store = new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as (...args: unknown[]) => unknown
        return name === 'recordIntent'
          ? async (...args: unknown[]) => {
              await value.apply(target, args)
              begun.resolve()
              await gate.promise
            }
          : value.bind(target)
      },
    })
    const own = await testPki('P-256')
    const slow = await testPki('P-256', { authority: storedIn(own.authority, store) })
    const { server, log } = await start({ issuance: slow.issuance })
    const gone = new AbortController()
    const asking = callRaw(server, pki.root, request, { signal: gone.signal })
    await begun.promise
    gone.abort()
    expect(await asking).toMatchObject({ code: 1 })
    await expect.poll(() => log).toContainEqual(code('ERR_ABORTED'))
    gate.resolve()
    await expect.poll(() => recordsOf(inner)).toMatchObject([{ state: 'failed' }])
  })
})

describe('an authenticator', () => {
  it.each<{ readonly what: string; readonly authenticate: () => unknown; readonly logged: string }>([
    {
      what: 'throws',
      authenticate: () => {
        throw new TypeError('secret-detail')
      },
      logged: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'rejects',
      authenticate: () => Promise.reject(new Error('secret-detail')),
      logged: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'rejects with nothing',
      authenticate: () => Promise.reject(undefined as unknown as Error),
      logged: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'throws a code that is no refusal',
      authenticate: () => {
        throw new PkiError('ERR_CSR_SIGNATURE', 'secret-detail')
      },
      logged: 'ERR_CSR_SIGNATURE',
    },
    { what: 'answers null', authenticate: () => null, logged: 'ERR_AUTHENTICATOR_FAILED' },
    { what: 'answers true', authenticate: () => true, logged: 'ERR_AUTHENTICATOR_FAILED' },
    { what: 'answers an ID', authenticate: () => workloadId, logged: 'ERR_AUTHENTICATOR_FAILED' },
    { what: 'answers a text', authenticate: () => workloadId.toString(), logged: 'ERR_AUTHENTICATOR_FAILED' },
    {
      what: 'answers nobody',
      authenticate: () => ({ ...callerOf(), identities: [] }),
      logged: 'ERR_AUTHENTICATOR_FAILED',
    },
    {
      what: 'answers text for identities',
      authenticate: () => ({ ...callerOf(), identities: [workloadId.toString()] }),
      logged: 'ERR_AUTHENTICATOR_FAILED',
    },
    { what: 'knows no credential', authenticate: () => undefined, logged: 'ERR_CREDENTIAL_MISSING' },
  ])('that $what tells the caller nothing and the log its code', async ({ authenticate, logged }) => {
    const { server, log } = await start({
      authenticator: { name: 'odd', authenticate: async () => (await authenticate()) as never },
    })
    expect(await callRaw(server, pki.root, request)).toMatchObject({
      code: 16,
      details: 'request authenticate failure',
    })
    expect(log).toMatchObject([{ level: 'warn', code: logged }])
  })
})

describe('what issuance throws', () => {
  it.each<{ readonly thrown: PkiErrorCode; readonly status: number; readonly told: boolean }>([
    { thrown: 'ERR_CSR_SIGNATURE', status: 3, told: true },
    { thrown: 'ERR_POLICY_DENIED', status: 3, told: true },
    { thrown: 'ERR_LIMIT_EXCEEDED', status: 3, told: true },
    { thrown: 'ERR_POLICY_FAILED', status: 13, told: false },
    { thrown: 'ERR_LINT', status: 13, told: false },
    { thrown: 'ERR_CA_SIGNATURE', status: 13, told: false },
    { thrown: 'ERR_CA_EXPIRED', status: 13, told: false },
    { thrown: 'ERR_WORKER_LOST', status: 13, told: false },
    { thrown: 'ERR_PREPARED_EXPIRED', status: 10, told: false },
    { thrown: 'ERR_HSM_UNAVAILABLE', status: 14, told: false },
    { thrown: 'ERR_HSM_QUEUE_FULL', status: 8, told: false },
    { thrown: 'ERR_CLOSED', status: 14, told: false },
    { thrown: 'ERR_TIMEOUT', status: 4, told: false },
  ])('$thrown: status $status', async ({ thrown, status, told }) => {
    const { server, log } = await start({
      issuance: issuanceThat(() => Promise.reject(new PkiError(thrown, 'token pki in slot 3'))),
    })
    const answer = await callRaw(server, pki.root, request)
    expect(answer).toMatchObject({
      code: status,
      details: `CSR signing error (${thrown}${told ? ': token pki in slot 3' : ''})`,
    })
    expect(log).toMatchObject([{ code: thrown, reason: 'token pki in slot 3' }])
  })

  it('of a caller is as any failed authentication', async () => {
    const { server } = await start({
      issuance: issuanceThat(() => Promise.reject(new PkiError('ERR_AUTHENTICATOR_FAILED', 'secret-detail'))),
    })
    expect(await callRaw(server, pki.root, request)).toMatchObject({
      code: 16,
      details: 'request authenticate failure',
    })
  })

  it.each([
    new TypeError('secret-detail'),
    'secret-detail',
    undefined,
    { code: 0, details: 'secret-detail' },
    { code: 16, details: 'secret-detail' },
  ])('that is no PkiError says nothing: %#', async (thrown) => {
    const { server } = await start({ issuance: issuanceThat(() => Promise.reject(thrown as Error)) })
    expect(await callRaw(server, pki.root, request)).toMatchObject({
      code: 13,
      details: 'CSR signing error (ERR_INTERNAL)',
    })
  })
})

describe('the counters of Istio', () => {
  const failed = (error: string, thrown: string) => [
    'citadel_server_csr_sign_err_count',
    { error, code: thrown },
  ]
  it.each<{
    readonly what: string
    readonly options: Partial<CertificateServerOptions>
    readonly counted: readonly unknown[]
  }>([
    { what: 'a certificate', options: {}, counted: [['citadel_server_success_cert_issuance_count']] },
    {
      what: 'a caller that is nobody',
      options: { authenticator: { name: 'x', authenticate: async () => undefined } },
      counted: [['citadel_server_authentication_failure_count']],
    },
    ...(
      [
        ['ERR_TTL', 'TTL_ERROR'],
        ['ERR_CSR_SIGNATURE', 'CSR_ERROR'],
        ['ERR_POLICY_DENIED', 'CSR_ERROR'],
        ['ERR_HSM_UNAVAILABLE', 'CA_NOT_READY'],
        ['ERR_CA_EXPIRED', 'CERT_GEN_ERROR'],
        ['ERR_PREPARED_EXPIRED', 'CERT_GEN_ERROR'],
        ['ERR_OVERLOADED', 'UNKNOWN'],
      ] as const
    ).map(([thrown, error]) => ({
      what: thrown,
      options: { issuance: issuanceThat(() => Promise.reject(new PkiError(thrown, ''))) },
      counted: [failed(error, thrown)],
    })),
    {
      what: 'a bug',
      options: { issuance: issuanceThat(() => Promise.reject(new TypeError('bug'))) },
      counted: [failed('CERT_GEN_ERROR', 'ERR_INTERNAL')],
    },
  ])('count $what', async ({ options, counted }) => {
    const counts: unknown[] = []
    const { server } = await start({
      ...options,
      metrics: {
        count: (...args) => void counts.push(args),
        gauge: () => undefined,
        observe: () => undefined,
      },
    })
    await callRaw(server, pki.root, request)
    expect(counts).toEqual([['citadel_server_csr_count'], ...counted])
  })
})

describe('a certificate that is issued when its caller has gone', () => {
  it.each(['client', 'time'] as const)('is not counted as answered: the %s', async (gone) => {
    const clock = new FakeClock()
    const [signed, gate] = [deferred(), deferred()]
    const told = new Told()
    let ended = false
    const { server } = await start({
      clock,
      metrics: told.metrics,
      issuance: {
        ...pki.issuance,
        issue: async ({ csr: asked }, caller) => {
          const answer = await pki.issuance.issue({ csr: asked }, caller) // does not look at the signal
          signed.resolve()
          await gate.promise
          setImmediate(() => (ended = true))
          return answer
        },
      },
    })
    const leaving = new AbortController()
    const asking = callRaw(server, pki.root, request, { signal: leaving.signal })
    await signed.promise
    if (gone === 'client') leaving.abort()
    else clock.advance(30_000)
    expect((await asking).code).not.toBe(0)
    await expect.poll(() => told.metricsCounted('citadel_server_csr_sign_err_count')).toBe(1)
    gate.resolve()
    await expect.poll(() => ended).toBe(true)
    expect(told.metricsCounted('citadel_server_success_cert_issuance_count')).toBe(0)
  })
})

describe('a host', () => {
  it('whose counters throw loses nothing', async () => {
    const metrics = {
      count: () => {
        throw new Error('secret-detail')
      },
      gauge: () => undefined,
      observe: () => undefined,
    }
    const { server } = await start({ metrics })
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
  })

  it('whose transport fails at the answer hears of it, and goes on', async () => {
    const lines: unknown[] = []
    const note = (fields: unknown): void => void lines.push(fields)
    const handlers = certificateServiceHandlers({
      issuance: pki.issuance,
      authenticator: { name: 'x', authenticate: async () => undefined },
      logger: { debug: note, info: note, warn: note, error: note },
    })
    const call = {
      metadata: { get: () => [] },
      getPeer: () => 'x:1',
      getAuthContext: () => ({}),
      on: () => undefined,
      off: () => undefined,
      cancelled: false,
      request: { csr: '', validityDuration: 0n },
    }
    const create = handlers['CreateCertificate'] as unknown as (call: unknown, reply: () => void) => void
    create(call, () => {
      throw new URIError('URI malformed')
    })
    await expect.poll(() => lines).toContainEqual(expect.objectContaining({ reason: 'URI malformed' }))
  })

  it('that is full says when to come back', async () => {
    const { server } = await start({ maxInFlight: 0 })
    const { code: status, error } = await callRaw(server, pki.root, request, {
      headers: [['authorization', 'Bearer secret-detail']],
    })
    expect([status, error?.metadata.get('grpc-retry-pushback-ms')]).toEqual([8, ['1000']])
    // Nothing of what was sent comes back with it.
    expect(error?.metadata.get('authorization')).toEqual([])
  })

  it.each<[PkiErrorCode, string, readonly string[]]>([
    ['ERR_HSM_UNAVAILABLE', 'warn', ['1000']],
    ['ERR_CA_SIGNATURE', 'error', []],
    ['ERR_POLICY_DENIED', 'warn', []],
  ])(
    'that answers %s has a line of the level %s, and says when to come back: %j',
    async (thrown, level, comeBack) => {
      const { server, log } = await start({
        issuance: issuanceThat(() => Promise.reject(new PkiError(thrown, ''))),
      })
      const { error } = await callRaw(server, pki.root, request)
      expect([error?.metadata.get('grpc-retry-pushback-ms'), log]).toMatchObject([
        comeBack,
        [{ level, code: thrown }],
      ])
    },
  )

  it.each([
    'maxConnections',
    'maxStreams',
    'maxMessageBytes',
    'maxConnectionAgeSeconds',
    'maxSessionMemoryMb',
    'maxInFlight',
  ])('does not start with a %s that limits nothing', async (name) => {
    await expect(start({ [name]: Number.NaN })).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('that breaks its TLS material keeps what it had', async () => {
    const { server } = await start()
    const good = await tlsCredential(pki)
    const stranger = await tlsCredential(pki)
    for (const material of [
      undefined as never,
      { certificateChain: 'x', privateKey: 'y', clientRoots: '' },
      { ...good, privateKey: stranger.privateKey, clientRoots: '' },
      { ...good, clientRoots: 'no PEM' },
    ]) {
      const error: unknown = await (async () => server.updateTls(material))().catch((cause: unknown) => cause)
      expect(error).toEqual(code('ERR_INVALID_ARGUMENT'))
    }
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      servername: 'localhost',
      ca: pki.root.toPem(),
      ALPNProtocols: ['h2'],
    })
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    socket.destroy()
    await expect(start({ tls: { certificateChain: 'x', privateKey: 'y', clientRoots: '' } })).rejects.toThrow(
      code('ERR_SERVER_START'),
    )
  })

  it('never reads a credential in its log', async () => {
    const key = ApiKeyAuthenticator.generateKey()
    const wrong = ApiKeyAuthenticator.generateKey()
    const authenticator = new CompositeAuthenticator({
      authenticators: [
        new ApiKeyAuthenticator({
          keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(key), identities: [workloadId] }],
        }),
        {
          name: 'parser',
          authenticate: async (asked) => JSON.parse(asked.header('x-json')[0] ?? 'null') as never,
        },
      ],
    })
    const { server, log } = await start({ authenticator })
    for (const headers of [
      [['x-api-key', key]],
      [['x-api-key', wrong]],
      [
        ['x-api-key', key],
        ['x-api-key', wrong],
      ],
      [['x-json', wrong]],
    ] as const) {
      await callRaw(server, pki.root, request, { headers })
      await callRaw(server, pki.root, proto.octets(1, 'no request'), { headers })
    }
    const text = JSON.stringify(log, (_name, value: unknown) =>
      value instanceof Error
        ? [value.message, value.stack, value.cause instanceof Error ? value.cause.message : '']
        : value,
    )
    expect(log.length).toBeGreaterThan(5)
    for (const secret of [key, wrong, wrong.slice(0, 10)]) expect(text).not.toContain(secret)
  })
})

describe('connections', () => {
  const shake = async (server: CertificateServer, options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      servername: 'localhost',
      ca: pki.root.toPem(),
      ALPNProtocols: ['h2'],
      ...options,
    })
    await once(socket, 'secureConnect')
    return socket
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s are not resumed: each shows its certificate to the roots of now',
    async (version) => {
      const { server } = await start()
      const options = { minVersion: version, maxVersion: version }
      const first = await shake(server, options)
      // With TLS 1.3 a session comes after the handshake, if at all; the settings of HTTP/2 come after it.
      const sessions: Buffer[] = []
      first.on('session', (session: Buffer) => sessions.push(session))
      await once(first, 'data')
      const session = sessions[0] ?? first.getSession()
      first.destroy()
      const second = await shake(server, { ...options, ...(session === undefined ? {} : { session }) })
      expect(second.isSessionReused()).toBe(false)
      second.destroy()
    },
  )

  it.each<{ readonly what: string; readonly begin: (server: CertificateServer) => Promise<Socket> }>([
    {
      what: 'that shook no hands',
      begin: async ({ port }) => {
        const socket = tcp(port, '127.0.0.1')
        await once(socket, 'connect')
        return socket
      },
    },
    { what: 'that say nothing after it', begin: (server) => shake(server) },
    // Less than the time that a handshake has, after which the connection is over anyway.
  ])('$what do not keep a server from closing', { timeout: 8000 }, async ({ begin }) => {
    const { server } = await start()
    const socket = await begin(server)
    await server.close(20)
    await expect.poll(() => server.connections).toBe(0)
    socket.destroy()
  })

  it('let the calls in flight end when the server closes', async () => {
    const [begun, gate] = [deferred(), deferred()]
    const { server } = await start({
      authenticator: {
        name: 'x',
        authenticate: async () => {
          begun.resolve()
          await gate.promise
          return callerOf()
        },
      },
    })
    const asking = callRaw(server, pki.root, request)
    await begun.promise
    const closing = server.close()
    gate.resolve()
    expect(await asking).toMatchObject({ code: 0 })
    await closing
  })

  it('end with their calls when the time for that is over', async () => {
    const { begun, hang } = hanging()
    const { server, log } = await start({ issuance: issuanceThat(hang) })
    const asking = callRaw(server, pki.root, request)
    await begun
    await server.close(20)
    expect(await asking).toMatchObject({ code: 1, certChain: [] })
    await expect.poll(() => log).toContainEqual(code('ERR_ABORTED'))
  })

  it('go on when the time to close is none', async () => {
    const { server } = await start()
    for (const odd of oddDelays) await expect(server.close(odd)).rejects.toThrow(code('ERR_INVALID_ARGUMENT'))
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
  })

  it('that cannot be accepted end nothing', async () => {
    const { server, log } = await start()
    // As `node:net` does when the process has no file left for a connection.
    const listeners = (process as unknown as { _getActiveHandles(): unknown[] })
      ._getActiveHandles()
      .filter((one): one is Server => one instanceof Server)
    const listener = listeners.find((one) => (one.address() as AddressInfo | null)?.port === server.port)
    listener!.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
    expect(log).toContainEqual(expect.objectContaining({ level: 'error', reason: 'accept EMFILE' }))
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
  })

  it('beyond the limit take the place of the oldest stranger, and the log says so', async () => {
    const { server, log } = await start({ maxConnections: 1 })
    const first = await shake(server)
    const ended = once(first.resume(), 'close').catch(() => undefined)
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
    await ended
    expect(log).toContainEqual(expect.objectContaining({ level: 'warn', limit: 1 }))
    await expect.poll(() => server.connections).toBe(0)
  })
})
