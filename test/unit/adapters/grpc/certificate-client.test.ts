// The client: what it sends, what it takes for an answer, and what it makes of a CA that fails.

import * as grpc from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { createCertificateClient } from '../../../../src/adapters/grpc/index.ts'
import { checkCertificateReply } from '../../../../src/adapters/grpc/certificate-client/certificate-reply.ts'
import type {
  CertificateClient,
  CertificateClientOptions,
} from '../../../../src/adapters/grpc/certificate-client/index.ts'
import type { CertificateServerOptions } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { systemClock } from '../../../../src/runtime/index.ts'
import { Certificate, generalName } from '../../../../src/x509/index.ts'
import { closedAfterEach, startTestServer } from '../../../support/certificate-server.ts'
import type { TestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { deferred } from '../../../support/deferred.ts'
import { callerOf, newRequest, testPki } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const { request: csr } = await newRequest()

async function start(options: Partial<CertificateServerOptions> = {}): Promise<TestServer> {
  return keep(await startTestServer(options, pki))
}

async function clientOf(
  { server }: TestServer,
  options: Partial<CertificateClientOptions> = {},
): Promise<CertificateClient> {
  return keep(
    await createCertificateClient({
      address: `localhost:${server.port}`,
      tls: () => ({ roots: pki.root.toPem() }),
      retry: { attempts: 1 },
      ...options,
    }),
  )
}

describe('an answer', () => {
  const now = Date.now()
  const issued = async () => {
    const { certificate } = await pki.issuance.issue({ csr }, callerOf())
    return { leaf: certificate.toPem(), root: pki.root.toPem() }
  }

  it.each<{
    readonly what: string
    readonly chain: (parts: { readonly leaf: string; readonly root: string }) => string[]
  }>([
    { what: 'without anything', chain: () => [] },
    { what: 'of one element', chain: ({ leaf }) => [leaf] },
    { what: 'of one element that holds both', chain: ({ leaf, root }) => [leaf + root] },
    { what: 'without a root', chain: ({ leaf }) => [leaf, ''] },
    { what: 'whose root is none', chain: ({ leaf }) => [leaf, 'no PEM'] },
    { what: 'whose leaf is none', chain: ({ root }) => ['', root] },
    { what: 'for another key', chain: ({ root }) => [root, root] },
    {
      what: 'of too many elements',
      chain: ({ leaf, root }) => [leaf, ...Array.from({ length: 31 }, () => root), root],
    },
    { what: 'of another kind of PEM', chain: ({ root }) => [csr.toPem(), root] },
  ])('$what is refused', async ({ chain }) => {
    const parts = await issued()
    expect(() => checkCertificateReply(chain(parts), csr, now, undefined)).toThrow(code('ERR_CA_REPLY'))
  })

  it.each<{
    readonly what: string
    readonly chain: (parts: { readonly leaf: string; readonly root: string }) => string[]
    readonly sizes: readonly number[]
  }>([
    { what: 'of a leaf and a root', chain: ({ leaf, root }) => [leaf, root], sizes: [1, 1] },
    {
      what: 'with several certificates in one element, as Istio sends plugged-in chains',
      chain: ({ leaf, root }) => [leaf, root + root, root],
      sizes: [3, 1],
    },
    {
      what: 'of thirty-two elements',
      chain: ({ leaf, root }) => [leaf, ...Array.from({ length: 30 }, () => root), root],
      sizes: [31, 1],
    },
    { what: 'with several roots', chain: ({ leaf, root }) => [leaf, root + root], sizes: [1, 2] },
    {
      what: 'without line feeds at the end',
      chain: ({ leaf, root }) => [leaf.trim(), root.trim()],
      sizes: [1, 1],
    },
  ])('$what is taken', async ({ chain, sizes }) => {
    const reply = checkCertificateReply(chain(await issued()), csr, now, undefined)
    expect([reply.chain.length, reply.roots.length]).toEqual(sizes)
  })

  it('is good to the end of its last second', async () => {
    const { leaf, root } = await issued()
    const { notBeforeMs, notAfterMs } = Certificate.fromPem(leaf)
    for (const ms of [notBeforeMs, notAfterMs + 999])
      expect(checkCertificateReply([leaf, root], csr, ms, undefined).roots).toHaveLength(1)
    for (const ms of [notBeforeMs - 1, notAfterMs + 1000])
      expect(() => checkCertificateReply([leaf, root], csr, ms, undefined)).toThrow(code('ERR_CA_REPLY'))
  })

  it.each<[string, unknown]>([
    ['a promise', Promise.resolve({ ok: true })],
    ['nothing', undefined],
    ['null', null],
    ['a verdict that is neither', { ok: 'yes' }],
    ['true', true],
  ])('for which a verifier gives %s is refused', async (_what, verdict) => {
    const { leaf, root } = await issued()
    expect(() => checkCertificateReply([leaf, root], csr, now, () => verdict as { ok: boolean })).toThrow(
      code('ERR_CA_REPLY'),
    )
  })

  it('that a verifier refuses without a reason is refused', async () => {
    const { leaf, root } = await issued()
    expect(() => checkCertificateReply([leaf, root], csr, now, () => ({ ok: false }))).toThrow(
      code('ERR_CA_REPLY'),
    )
  })
})

describe('the client', () => {
  it('reads its roots anew after a failure, and not before', async () => {
    let fails = true
    let read = 0
    const started = await start({
      issuance: {
        ...pki.issuance,
        issue: (...args) =>
          fails ? Promise.reject(new PkiError('ERR_CA_EXPIRED', '')) : pki.issuance.issue(...args),
      },
    })
    const client = await clientOf(started, {
      tls: () => {
        read++
        return { roots: pki.root.toPem() }
      },
    })
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    fails = false
    await client.createCertificate(csr)
    await client.createCertificate(csr)
    expect(read).toBe(2)
  })

  it('makes one connection for calls that begin together', async () => {
    const started = await start()
    const client = await clientOf(started)
    await Promise.all([1, 2, 3].map(() => client.createCertificate(csr)))
    expect(started.server.connections).toBe(1)
  })

  it('connects by the copy of grpc-js that it is given, and keeps nothing open that failed', async () => {
    const counts = { made: 0, closed: 0 }
    class Counted extends grpc.Client {
      constructor(...args: ConstructorParameters<typeof grpc.Client>) {
        super(...args)
        counts.made++
      }

      override close(): void {
        counts.closed++
        super.close()
      }
    }
    const client = await clientOf(await start(), { grpc: { ...grpc, Client: Counted } })
    await client.createCertificate(csr)
    expect(counts).toEqual({ made: 1, closed: 0 })
    await expect(client.createCertificate(csr, { ttlSeconds: 1e9 })).rejects.toThrow(code('ERR_CA_REFUSED'))
    expect(counts).toEqual({ made: 1, closed: 1 })
    await client.createCertificate(csr)
    await client[Symbol.asyncDispose]()
    expect(counts).toEqual({ made: 2, closed: 2 })
  })

  it('asks for nothing once it was closed', async () => {
    let asked = 0
    const client = await clientOf(await start(), {
      tls: () => {
        asked++
        return { roots: pki.root.toPem() }
      },
    })
    await client[Symbol.asyncDispose]()
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_CLOSED'))
    expect(asked).toBe(0)
  })

  it('gives up on a CA that does not answer in its time', async () => {
    const client = await clientOf(
      await start({ issuance: { ...pki.issuance, issue: () => new Promise(() => undefined) } }),
      { timeoutMs: 100 },
    )
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
  })

  it('refuses an answer that is larger than any chain', async () => {
    const { certificate } = await pki.issuance.issue({ csr }, callerOf())
    const roots = Array.from({ length: 2500 }, () => pki.root)
    let asked = 0
    const client = await clientOf(
      await start({
        issuance: {
          ...pki.issuance,
          issue: async () => {
            asked++
            return { certificate, chain: [], roots, rule: 'test', trimmed: [] }
          },
        },
      }),
      { retry: { attempts: 3 } },
    )
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_MESSAGE_TOO_LARGE'))
    expect(asked).toBe(1)
  })

  it('reads its token at every call, without the line feed of its file', async () => {
    const seen: unknown[] = []
    const started = await start({
      authenticator: {
        name: 'x',
        authenticate: async (asked) => {
          seen.push(asked.header('authorization'))
          return callerOf()
        },
      },
    })
    const tokens = ['first\n', ' second\r\n', undefined, '', ' \n']
    const client = await clientOf(started, { token: () => tokens.shift() })
    for (let i = 0; i < 5; i++) await client.createCertificate(csr)
    expect(seen).toEqual([['Bearer first'], ['Bearer second'], [], [], []])
  })

  it.each([
    { what: 'a token of two lines', options: { token: () => 'secret-one\nsecret-two' } },
    { what: 'a token that is no ASCII', options: { token: () => 'secret-tökén' } },
    { what: 'a header of two lines', options: { headers: { 'x-api-key': 'secret-one\nsecret-two' } } },
    { what: 'a header that has no name', options: { headers: { 'x api key': 'secret-one' } } },
  ])('never tells $what', async ({ options }) => {
    const client = await clientOf(await start(), options)
    const error = await client.createCertificate(csr).catch((cause: unknown) => cause)
    expect(error).toEqual(code('ERR_INVALID_ARGUMENT'))
    const { message, stack, cause } = error as Error
    expect([message, stack, String(cause)].join()).not.toMatch(/secret|tökén/)
  })

  it.each([Number.NaN, Infinity, -1, 1e300, 0.5])('asks for no validity of %s s', async (ttlSeconds) => {
    await expect((await clientOf(await start())).createCertificate(csr, { ttlSeconds })).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
  })

  it.each([
    { what: 'is not valid yet', ms: -3_600_000 },
    { what: 'has expired', ms: 25 * 3_600_000 },
  ])('refuses a certificate that $what', async ({ what, ms }) => {
    const client = await clientOf(await start(), {
      clock: { ...systemClock, now: () => Date.now() + ms },
      timeoutMs: 7_200_000,
    })
    const refusal: unknown = await client.createCertificate(csr).catch((error: unknown) => error)
    expect(refusal).toEqual(code('ERR_CA_REPLY'))
    // Both dates and the clock, so that the reader sees which machine has the wrong time.
    expect(String(refusal)).toMatch(
      new RegExp(`${what}: notBefore \\S+Z, notAfter \\S+Z, clock \\S+Z, serial`),
    )
  })

  it('comes back no sooner than it was told', async () => {
    const delays: number[] = []
    const clock = {
      ...systemClock,
      schedule: (callback: () => void, ms: number) => {
        if (ms === 10_000) return () => undefined // for one attempt
        delays.push(ms)
        queueMicrotask(callback)
        return () => undefined
      },
    }
    const lines: unknown[] = []
    const note = (fields: unknown): void => void lines.push(fields)
    const client = await clientOf(await start({ maxInFlight: 0 }), {
      clock,
      retry: { attempts: 3 },
      logger: { debug: note, info: note, warn: note, error: note },
    })
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
    expect(delays).toEqual([1000, 1000])
    expect(lines).toMatchObject(
      [1, 2].map((attempt) => ({ code: 'ERR_CA_UNAVAILABLE', attempt, delayMs: 1000 })),
    )
  })

  const never = (): Promise<never> => new Promise(() => undefined)
  it.each<[string, Partial<CertificateClientOptions>]>([
    ['roots', { tls: never }],
    ['a token', { token: never }],
  ])('waits for %s as long as for an answer, and no longer', async (_what, options) => {
    const client = await clientOf(await start(), { ...options, timeoutMs: 30, retry: { attempts: 5 } })
    await expect(client.createCertificate(csr)).rejects.toThrow(code('ERR_TIMEOUT'))
  })

  it.each<[string, Partial<CertificateClientOptions>]>([
    ['roots', { tls: never }],
    ['a token', { token: never }],
  ])('stops waiting for %s when it is told to', async (_what, options) => {
    const client = await clientOf(await start(), { ...options, timeoutMs: 600_000 })
    const stop = new AbortController()
    const asking = client.createCertificate(csr, { signal: stop.signal })
    stop.abort()
    await expect(asking).rejects.toThrow(code('ERR_ABORTED'))
    await expect(client.createCertificate(csr, { signal: stop.signal })).rejects.toThrow(code('ERR_ABORTED'))
  })

  it('that was closed while it read its roots connects to nothing', async () => {
    const started = await start()
    const [begun, roots] = [deferred(), deferred<string>()]
    const client = await clientOf(started, {
      tls: async () => {
        begun.resolve()
        return { roots: await roots.promise }
      },
    })
    const asking = client.createCertificate(csr)
    await begun.promise
    await client[Symbol.asyncDispose]()
    roots.resolve(pki.root.toPem())
    await expect(asking).rejects.toThrow(code('ERR_CLOSED'))
    expect(started.server.connections).toBe(0)
  })

  it('says that a request for what it may not have is refused, not that it failed', async () => {
    const { request: foreign } = await newRequest('P-256', {
      extensions: { subjectAltName: [generalName.dns(`${'x'.repeat(60)}.example`)] },
    })
    await expect((await clientOf(await start())).createCertificate(foreign)).rejects.toThrow(
      code('ERR_CA_REFUSED'),
    )
  })
})
