// The certificate service end to end: a real server and real clients on loopback.

import { connect } from 'node:tls'
import { once } from 'node:events'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { describe, expect, it, vi } from 'vitest'
import {
  certificateServiceDefinition,
  certificateServiceHandlers,
  createCertificateClient,
} from '../../../../src/adapters/grpc/index.ts'
import { loadGrpc } from '../../../../src/adapters/grpc/grpc-module.ts'
import type {
  CertificateClient,
  CertificateClientOptions,
} from '../../../../src/adapters/grpc/certificate-client/index.ts'
import type {
  CertificateServer,
  CertificateServerOptions,
} from '../../../../src/adapters/grpc/certificate-service/index.ts'
import type { IstioCertificateRequest } from '../../../../src/adapters/grpc/gen/istio/v1/auth/ca_pb.ts'
import {
  ApiKeyAuthenticator,
  ClientCertificateAuthenticator,
  CompositeAuthenticator,
} from '../../../../src/auth/index.ts'
import { PkiError } from '../../../../src/errors/index.ts'
import { X509SvidValidator } from '../../../../src/svid/index.ts'
import { Certificate } from '../../../../src/x509/index.ts'
import { callRaw, closedAfterEach, startTestServer } from '../../../support/certificate-server.ts'
import type { RawAnswer, TestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { deferred } from '../../../support/deferred.ts'
import { callerOf, newRequest, testPki, tlsCredential, workloadId } from '../../../support/pki.ts'
import type { TestPki } from '../../../support/pki.ts'

const key = ApiKeyAuthenticator.generateKey()
const keep = closedAfterEach()

/** Client certificates and API keys. */
async function start(options: Partial<CertificateServerOptions> = {}, pki?: TestPki): Promise<TestServer> {
  const made = pki ?? (await testPki())
  const authenticator = new CompositeAuthenticator({
    authenticators: [
      new ClientCertificateAuthenticator({
        bundles: made.authority,
      }),
      new ApiKeyAuthenticator({
        keys: [{ id: 't', digest: ApiKeyAuthenticator.digestOf(key), identities: [workloadId] }],
      }),
    ],
  })
  return keep(await startTestServer({ authenticator, ...options }, made))
}

async function client(
  server: CertificateServer,
  roots: Certificate,
  options: Partial<CertificateClientOptions> = {},
): Promise<CertificateClient> {
  return keep(
    await createCertificateClient({
      address: `localhost:${server.port}`,
      tls: () => ({ roots: roots.toPem() }),
      headers: { 'x-api-key': key },
      retry: { attempts: 1 },
      ...options,
    }),
  )
}

/** A call without our client in the way. */
function raw(
  server: CertificateServer,
  roots: Certificate,
  message: Partial<IstioCertificateRequest>,
  headers: Record<string, string> = { 'x-api-key': key },
): Promise<RawAnswer> {
  const request: IstioCertificateRequest = {
    $typeName: 'istio.v1.auth.IstioCertificateRequest',
    csr: '',
    validityDuration: 0n,
    ...message,
  }
  return callRaw(server, roots, certificateServiceDefinition.CreateCertificate.requestSerialize(request), {
    headers: Object.entries(headers),
  })
}

describe('the certificate service', () => {
  it(
    'issues over gRPC: one certificate an element, each ending with a line feed, the root ' + 'last',
    async () => {
      const { pki, server } = await start()
      const { request } = await newRequest()
      const { code: status, certChain } = await raw(server, pki.root, {
        csr: request.toPem(),
        validityDuration: 3600n,
        metadata: { CertSigner: '' },
      })
      expect(status).toBe(0)
      expect(certChain).toHaveLength(2)
      expect(
        certChain.every(
          (pem) => pem.endsWith('-----END CERTIFICATE-----\n') && pem.split('BEGIN').length === 2,
        ),
      ).toBe(true)
      const [leaf, root] = certChain.map((pem) => Certificate.fromPem(pem))
      expect(leaf!.publicKey.equals(request.publicKey)).toBe(true)
      expect(root!.equals(pki.root)).toBe(true)
      expect(leaf!.notAfterMs - leaf!.notBeforeMs).toBe((3600 + 120) * 1000)
    },
  )

  it('keeps several roots together in the last element', async () => {
    const pki = await testPki()
    const other = await testPki()
    const { server } = await start(
      {
        issuance: {
          ...pki.issuance,
          issue: async (request: never, caller: never) => ({
            ...(await pki.issuance.issue(request, caller)),
            roots: [pki.root, other.root],
          }),
        } as never,
      },
      pki,
    )
    const { certChain } = await raw(server, pki.root, { csr: (await newRequest()).request.toPem() })
    expect(Certificate.listFromPem(certChain.at(-1)!)).toHaveLength(2)
  })

  it('answers our client, which checks the answer', async () => {
    const { pki, server } = await start()
    const validator = new X509SvidValidator({ bundles: pki.authority.trustBundle() })
    const { request } = await newRequest()
    const reply = await (
      await client(server, pki.root, { verify: (chain) => validator.verify(chain, { id: workloadId }) })
    ).createCertificate(request)
    expect(reply.certificate.publicKey.equals(request.publicKey)).toBe(true)
    expect(reply.roots[0]!.equals(pki.root)).toBe(true)
  })

  it('authenticates by client certificate', async () => {
    const { pki, server } = await start()
    const tls = await tlsCredential(pki)
    const workload = await client(server, pki.root, {
      headers: {},
      tls: () => ({ roots: pki.root.toPem(), ...tls }),
    })
    expect(
      (await workload.createCertificate((await newRequest()).request)).certificate.subjectAltName,
    ).toEqual([{ type: 'uri', value: workloadId.toString() }])
  })

  it.each([
    { what: 'no credential', headers: {}, logged: 'ERR_CREDENTIAL_MISSING' },
    { what: 'a bad credential', headers: { 'x-api-key': 'wrong' }, logged: 'ERR_CREDENTIAL_INVALID' },
  ])('tells nothing about $what, and logs it', async ({ headers, logged }) => {
    const { pki, server, log } = await start()
    const answer = await raw(
      server,
      pki.root,
      { csr: (await newRequest()).request.toPem() },
      headers as Record<string, string>,
    )
    expect(answer).toMatchObject({ code: 16, details: 'request authenticate failure' })
    expect(log).toContainEqual(code(logged))
  })

  it('asks to come back when an authenticator cannot reach what it needs', async () => {
    const authenticator = {
      name: 'away',
      authenticate: () => Promise.reject(new PkiError('ERR_AUTHENTICATOR_UNAVAILABLE', 'secret-detail')),
    }
    const { pki, server, log } = await start({ authenticator })
    const answer = await raw(server, pki.root, { csr: (await newRequest()).request.toPem() })
    expect(answer).toMatchObject({ code: 14, details: 'request cannot be authenticated now' })
    expect(log).toContainEqual(code('ERR_AUTHENTICATOR_UNAVAILABLE'))
  })

  it('refuses an untrusted client certificate with a code of its own', async () => {
    const { pki, server, log } = await start()
    const stranger = await tlsCredential(await testPki())
    const workload = await client(server, pki.root, {
      headers: {},
      tls: () => ({ roots: pki.root.toPem(), ...stranger }),
    })
    await expect(workload.createCertificate((await newRequest()).request)).rejects.toThrow(
      code('ERR_CA_UNAUTHENTICATED'),
    )
    expect(log).toContainEqual(code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'))
  })

  it.each([
    { what: 'text that is no PEM', csr: 'hello', status: 3, text: 'ERR_PEM' },
    {
      what: 'PEM that is no request',
      csr: '-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n',
      status: 3,
      text: 'ERR_DER',
    },
    { what: 'a TTL over the maximum', validityDuration: 91n * 86_400n, status: 3, text: 'ERR_TTL' },
    { what: 'a TTL beyond numbers', validityDuration: 2n ** 62n, status: 3, text: 'ERR_TTL' },
    {
      what: 'a signer that is not here',
      metadata: { CertSigner: 'other' },
      status: 3,
      text: 'ERR_CSR_SIGNER',
    },
    {
      what: 'an identity of somebody else',
      metadata: { ImpersonatedIdentity: 'spiffe://example.org/x' },
      status: 16,
      text: 'request impersonation authentication failure',
    },
  ])('refuses $what', async ({ what: _what, status, text, ...message }) => {
    const { pki, server } = await start()
    const answer = await raw(server, pki.root, {
      csr: (await newRequest()).request.toPem(),
      ...message,
    } as Partial<IstioCertificateRequest>)
    expect(answer).toMatchObject({ code: status, details: expect.stringContaining(text) })
  })

  it('writes down who was given the identity of another', async () => {
    const identity = 'spiffe://example.org/ns/prod/sa/other'
    const { pki, server, log } = await start({ impersonation: { authorize: async () => callerOf(identity) } })
    const { code: status } = await raw(server, pki.root, {
      csr: (await newRequest()).request.toPem(),
      metadata: { ImpersonatedIdentity: identity },
    })
    expect(status).toBe(0)
    expect(log).toContainEqual({
      level: 'info',
      message: 'impersonation allowed',
      by: [workloadId.toString()],
      identity,
    })
  })

  it('takes no message over 64 KiB', async () => {
    const { pki, server } = await start()
    const answer = await raw(server, pki.root, { csr: 'x'.repeat(65 * 1024) })
    expect(answer).toMatchObject({ code: 8 })
  })

  it('says when it is full', async () => {
    const { pki, server } = await start({ maxInFlight: 0 })
    const answer = await raw(server, pki.root, { csr: (await newRequest()).request.toPem() })
    expect(answer).toMatchObject({ code: 8, details: expect.stringContaining('ERR_OVERLOADED') })
  })

  it('signs nothing for a client that is gone', async () => {
    const pki = await testPki()
    const [arrived, aborted] = [deferred(), deferred()]
    const { server, log } = await start(
      {
        authenticator: {
          name: 'slow',
          authenticate: (request) => {
            arrived.resolve()
            return new Promise((resolve) =>
              request.signal.addEventListener('abort', () => {
                aborted.resolve()
                resolve(callerOf())
              }),
            )
          },
        },
      },
      pki,
    )
    const gone = new AbortController()
    const workload = await client(server, pki.root)
    const asking = workload.createCertificate((await newRequest()).request, { signal: gone.signal })
    await arrived.promise
    gone.abort()
    await expect(asking).rejects.toThrow(code('ERR_ABORTED'))
    await aborted.promise
    await expect.poll(() => log).toContainEqual(code('ERR_ABORTED'))
  })

  it('shows a new certificate without a restart', async () => {
    const { pki, server } = await start()
    const shown = async (): Promise<string> => {
      const socket = connect({
        host: '127.0.0.1',
        port: server.port,
        servername: 'localhost',
        ca: pki.root.toPem(),
        ALPNProtocols: ['h2'],
      })
      await once(socket, 'secureConnect')
      const { serialNumber } = socket.getPeerCertificate()
      socket.destroy()
      return serialNumber
    }
    const before = await shown()
    const next = await tlsCredential(pki)
    server.updateTls({ ...next, clientRoots: pki.root.toPem() })
    expect(await shown()).toBe(next.certificate.serialNumber)
    expect(before).not.toBe(next.certificate.serialNumber)
  })

  it('runs in a grpc-js server that is not ours', async () => {
    const pki = await testPki()
    const credential = await tlsCredential(pki)
    const server = new Server()
    server.addService(
      certificateServiceDefinition,
      certificateServiceHandlers({
        issuance: pki.issuance,
        authenticator: new ClientCertificateAuthenticator({
          bundles: pki.authority,
        }),
      }),
    )
    const root = Buffer.from(pki.root.toPem())
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(
        '127.0.0.1:0',
        ServerCredentials.createSsl(
          root,
          [
            {
              private_key: Buffer.from(credential.privateKey),
              cert_chain: Buffer.from(credential.certificateChain),
            },
          ],
          true,
        ),
        (error, bound) => (error === null ? resolve(bound) : reject(error)),
      ),
    )
    keep({ [Symbol.asyncDispose]: async () => server.forceShutdown() })
    const workload = keep(
      await createCertificateClient({
        address: `localhost:${port}`,
        tls: async () => ({ roots: pki.root.toPem(), ...(await tlsCredential(pki)) }),
      }),
    )
    expect((await workload.createCertificate((await newRequest()).request)).chain).toHaveLength(1)
  })
})

describe('the server', () => {
  it('says when it cannot listen', async () => {
    const { pki, server } = await start()
    await expect(start({ port: server.port }, pki)).rejects.toThrow(code('ERR_SERVER_START'))
  })

  it('says how to install its peer', async () => {
    vi.doMock('@grpc/grpc-js', () => {
      throw new Error('not installed')
    })
    try {
      await expect(loadGrpc()).rejects.toThrow(code('ERR_PEER_NOT_INSTALLED'))
    } finally {
      vi.doUnmock('@grpc/grpc-js')
    }
  })
})

describe('the client', () => {
  it('tells a refusal from a message that is too large', async () => {
    const { pki, server } = await start()
    const asking = await client(server, pki.root)
    await expect(
      asking.createCertificate(
        (await newRequest('P-256', { extensions: { basicConstraints: { ca: true } } })).request,
      ),
    ).rejects.toThrow(code('ERR_CA_REFUSED'))
    const large = (
      await newRequest('P-256', {
        extensions: { other: [{ oid: '1.2.3.4', critical: false, value: new Uint8Array(55_000) }] },
      })
    ).request
    await expect(asking.createCertificate(large)).rejects.toThrow(code('ERR_MESSAGE_TOO_LARGE'))
  })

  it('tries again when the CA is not there, and gives up', async () => {
    const delays: number[] = []
    const clock = {
      now: () => Date.now(),
      monotonic: () => 0,
      schedule: (callback: () => void, ms: number) => {
        if (ms === 10_000) return () => undefined // for one attempt
        delays.push(ms)
        queueMicrotask(callback)
        return () => undefined
      },
    }
    const { pki, server } = await start()
    await server.close(0)
    const workload = keep(
      await createCertificateClient({
        address: `localhost:${server.port}`,
        tls: () => ({ roots: pki.root.toPem() }),
        clock,
      }),
    )
    await expect(workload.createCertificate((await newRequest()).request)).rejects.toThrow(
      code('ERR_CA_UNAVAILABLE'),
    )
    expect(delays).toHaveLength(4)
    delays.forEach((ms, attempt) => expect(Math.abs(ms / (100 * 2 ** attempt) - 1)).toBeLessThanOrEqual(0.1))
  })

  it('does not ask twice after a refusal', async () => {
    let asked = 0
    const { pki, server } = await start({
      authenticator: {
        name: 'none',
        authenticate: async () => {
          asked++
          return undefined
        },
      },
    })
    await expect(
      (await client(server, pki.root, { retry: { attempts: 5 } })).createCertificate(
        (await newRequest()).request,
      ),
    ).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
    expect(asked).toBe(1)
  })

  it.each([
    {
      what: 'a certificate for another key',
      change: async (pki: TestPki) =>
        await pki.issuance.issue({ csr: (await newRequest()).request }, callerOf()),
    },
    {
      what: 'no root',
      change: async (_pki: TestPki, issued: Awaited<ReturnType<TestPki['issuance']['issue']>>) => ({
        ...issued,
        roots: [],
      }),
    },
  ])('refuses $what', async ({ change }) => {
    const pki = await testPki()
    const { server } = await start(
      {
        issuance: {
          ...pki.issuance,
          issue: async (request: never, caller: never) =>
            change(pki, await pki.issuance.issue(request, caller)),
        } as never,
      },
      pki,
    )
    await expect(
      (await client(server, pki.root)).createCertificate((await newRequest()).request),
    ).rejects.toThrow(code('ERR_CA_REPLY'))
  })

  it('refuses a chain that its own validator refuses', async () => {
    const { pki, server } = await start()
    const elsewhere = new X509SvidValidator({ bundles: (await testPki()).authority.trustBundle() })
    await expect(
      (await client(server, pki.root, { verify: (chain) => elsewhere.verify(chain) })).createCertificate(
        (await newRequest()).request,
      ),
    ).rejects.toThrow(code('ERR_CA_REPLY'))
  })
})
