// Istio's wire contract, octet by octet: messages made by hand go in, statuses and texts come out.

import { Client, Server, ServerCredentials, credentials } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import {
  certificateServiceDefinition,
  certificateServiceHandlers,
} from '../../../../src/adapters/grpc/index.ts'
import type { CertificateServerOptions } from '../../../../src/adapters/grpc/certificate-service/index.ts'
import { ApiKeyAuthenticator, ClientCertificateAuthenticator } from '../../../../src/auth/index.ts'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../../../src/ca/index.ts'
import { createIssuanceService } from '../../../../src/issuance/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { SpiffeId } from '../../../../src/spiffe/index.ts'
import { Certificate } from '../../../../src/x509/index.ts'
import {
  callBy,
  callRaw,
  closedAfterEach,
  proto,
  startTestServer,
} from '../../../support/certificate-server.ts'
import type { RawAnswer, RawOptions, TestServer } from '../../../support/certificate-server.ts'
import { code } from '../../../support/codes.ts'
import { callerOf, newRequest, testPki, tlsCredential, workloadId } from '../../../support/pki.ts'

const keep = closedAfterEach()
const pki = await testPki()
const csr = (await newRequest()).request.toPem()
const request = proto.octets(1, csr)
const { concat } = Buffer

async function start(options: Partial<CertificateServerOptions> = {}): Promise<TestServer> {
  return keep(await startTestServer(options, pki))
}

async function send(
  message: Uint8Array,
  options: Partial<CertificateServerOptions> = {},
  raw: RawOptions = {},
): Promise<RawAnswer> {
  return callRaw((await start(options)).server, pki.root, message, raw)
}

const seconds = (answer: RawAnswer): number => {
  const { notBeforeMs, notAfterMs } = Certificate.fromPem(answer.certChain[0]!)
  return (notAfterMs - notBeforeMs) / 1000 - 120
}

describe('the octets', () => {
  const { path, requestSerialize, requestDeserialize, responseSerialize } =
    certificateServiceDefinition.CreateCertificate

  it('of a request are those of the proto: csr 1, validity_duration 3, metadata 4', () => {
    const wanted = concat([
      proto.octets(1, 'PEM'),
      proto.number(3, 3600n),
      proto.metadata({ CertSigner: proto.text('') }),
    ])
    const message = {
      $typeName: 'istio.v1.auth.IstioCertificateRequest',
      csr: 'PEM',
      validityDuration: 3600n,
      metadata: { CertSigner: '' },
    } as const
    expect(requestSerialize(message).equals(wanted)).toBe(true)
    expect(requestDeserialize(wanted)).toMatchObject({
      csr: 'PEM',
      validityDuration: 3600n,
      metadata: { CertSigner: '' },
    })
  })

  it('of a response are cert_chain 1, repeated', () => {
    expect(
      responseSerialize({
        $typeName: 'istio.v1.auth.IstioCertificateResponse',
        certChain: ['leaf\n', 'root\n'],
      }).equals(concat([proto.octets(1, 'leaf\n'), proto.octets(1, 'root\n')])),
    ).toBe(true)
  })

  it('go to the path of Istio', () => {
    expect(path).toBe('/istio.v1.auth.IstioCertificateService/CreateCertificate')
  })

  it('of what is not known are dropped, not kept', () => {
    expect(
      Object.keys(requestDeserialize(concat([proto.octets(15, 'x'.repeat(100)), request]))),
    ).not.toContain('$unknown')
  })
})

describe('messages', () => {
  const nested = (depth: number): Buffer => {
    let value = proto.text('x')
    for (let i = 0; i < depth; i++) value = proto.octets(5, proto.struct([['k', value]]))
    return value
  }
  const pem = (text: string) => expect.stringContaining(`CSR signing error (${text}`)
  const malformed = { code: 13, details: 'Error deserializing request' }
  const signers = {}

  it.each<{
    readonly what: string
    readonly message: Uint8Array
    readonly wanted: Partial<RawAnswer> | object
  }>([
    { what: 'an empty one', message: Buffer.alloc(0), wanted: { code: 3, details: pem('ERR_PEM') } },
    {
      what: 'one with an empty request',
      message: proto.octets(1, ''),
      wanted: { code: 3, details: pem('ERR_PEM') },
    },
    {
      what: 'the subject_id of long ago and fields of tomorrow',
      message: concat([
        proto.octets(2, 'spiffe://example.org/x'),
        request,
        proto.octets(15, 'x'),
        proto.number(99 & 15, 5n),
      ]),
      wanted: { code: 0 },
    },
    {
      what: 'a request twice: the last counts',
      message: concat([proto.octets(1, 'no request'), request]),
      wanted: { code: 0 },
    },
    {
      what: 'a request twice, the last none',
      message: concat([request, proto.octets(1, 'no request')]),
      wanted: { code: 3, details: pem('ERR_PEM') },
    },
    {
      what: 'text around the PEM',
      message: proto.octets(1, `subject=whoever\r\n${csr.replaceAll('\n', '\r\n')}\r\n`),
      wanted: { code: 0 },
    },
    {
      what: 'two PEM requests',
      message: proto.octets(1, csr + csr),
      wanted: { code: 3, details: pem('ERR_PEM') },
    },
    {
      what: 'a PEM certificate',
      message: proto.octets(1, pki.root.toPem()),
      wanted: { code: 3, details: pem('ERR_PEM') },
    },
    {
      what: 'the longest int64',
      message: concat([request, proto.number(3, 2n ** 63n - 1n)]),
      wanted: { code: 3, details: pem('ERR_TTL') },
    },
    {
      what: 'ninety days and a second',
      message: concat([request, proto.number(3, 7_776_001n)]),
      wanted: { code: 3, details: pem('ERR_TTL') },
    },
    {
      what: 'text that is no UTF-8',
      message: concat([proto.octets(1, concat([Buffer.from([0xff, 0xfe]), Buffer.from(`\n${csr}`)]))]),
      wanted: malformed,
    },
    {
      what: 'a key of metadata that is no UTF-8',
      message: concat([request, proto.metadata([[Buffer.from([0xc3, 0x28]), proto.text('x')]])]),
      wanted: malformed,
    },
    {
      what: 'a signer that is no UTF-8',
      message: concat([request, proto.metadata({ CertSigner: proto.text(Buffer.from([0xed, 0xa0, 0x80])) })]),
      wanted: malformed,
    },
    {
      what: 'a field of another wire type',
      message: concat([request, proto.octets(3, 'abc')]),
      wanted: malformed,
    },
    { what: 'half a message', message: request.subarray(0, 100), wanted: malformed },
    {
      what: 'a length beyond the end',
      message: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]),
      wanted: malformed,
    },
    { what: 'a field number of 0', message: concat([request, Buffer.from([0x00, 0x01])]), wanted: malformed },
    {
      what: 'metadata nested deeper than anything needs',
      message: concat([request, proto.metadata({ k: nested(20) })]),
      wanted: malformed,
    },
    {
      what: 'metadata nested to the end of the message',
      message: concat([request, proto.metadata({ k: nested(2000) })]),
      wanted: malformed,
    },
    {
      what: 'a signer of an odd name',
      message: concat([request, proto.metadata({ CertSigner: proto.text('constructor') })]),
      wanted: { code: 3, details: pem('ERR_CSR_SIGNER') },
    },
    {
      what: 'a signer by the name of a prototype',
      message: concat([request, proto.metadata([['CertSigner', proto.text('__proto__')]])]),
      wanted: { code: 3, details: pem('ERR_CSR_SIGNER') },
    },
    {
      what: 'a signer of control characters',
      message: concat([request, proto.metadata({ CertSigner: proto.text('a\r\nb\0c\u2028') })]),
      wanted: { code: 3, details: pem('ERR_CSR_SIGNER') },
    },
  ])('$what', async ({ message, wanted }) => {
    expect(await send(message, { signers })).toMatchObject(wanted)
  })

  it.each([
    { what: 'no duration', message: request, wanted: 86_400 },
    { what: 'a duration of 0', message: concat([request, proto.number(3, 0n)]), wanted: 86_400 },
    { what: 'a duration of −1', message: concat([request, proto.number(3, -1n)]), wanted: 86_400 },
    { what: 'the least int64', message: concat([request, proto.number(3, -(2n ** 63n))]), wanted: 86_400 },
    { what: 'a second', message: concat([request, proto.number(3, 1n)]), wanted: 1 },
    { what: 'ninety days', message: concat([request, proto.number(3, 7_776_000n)]), wanted: 7_776_000 },
  ])('$what: $wanted s', async ({ message, wanted }) => {
    expect(seconds(await send(message))).toBe(wanted)
  })

  it.each([
    ['null', proto.nothing()],
    ['true', proto.truth(true)],
    ['a number', proto.double(7)],
    [
      'a struct',
      proto.octets(5, proto.struct([['ImpersonatedIdentity', proto.text('spiffe://example.org/x')]])),
    ],
    ['a list', proto.octets(6, proto.octets(1, proto.text('spiffe://example.org/x')))],
    ['an empty text', proto.text('')],
  ])('metadata that is %s is as none, as Istio reads it', async (_what, value) => {
    const answer = await send(
      concat([
        request,
        proto.metadata([
          ['CertSigner', value],
          ['ImpersonatedIdentity', value],
          ['__proto__', value],
          ['WorkloadName', proto.text('api')],
        ]),
      ]),
      { signers },
    )
    expect(answer).toMatchObject({ code: 0 })
    expect(Certificate.fromPem(answer.certChain[0]!).subjectAltName).toEqual([
      { type: 'uri', value: workloadId.toString() },
    ])
    expect(({} as { ImpersonatedIdentity?: unknown }).ImpersonatedIdentity).toBeUndefined()
  })

  it('a name that ends in half a character, where its message is cut, ends nothing else', async () => {
    const { server } = await start({ signers })
    for (const padding of ['', 'x']) {
      const message = concat([
        request,
        proto.metadata({ CertSigner: proto.text(`${padding}${'\u{1f600}'.repeat(2000)}`) }),
      ])
      expect(await callRaw(server, pki.root, message)).toMatchObject({
        code: 3,
        details: pem('ERR_CSR_SIGNER'),
      })
    }
    expect(await callRaw(server, pki.root, request)).toMatchObject({ code: 0 })
  })

  it.each([
    { what: 'over 64 KiB', octets: 65 * 1024, raw: {} },
    { what: 'that unpacks to 20 MB', octets: 20_000_000, raw: { gzip: true } },
  ])('one $what is refused unread', async ({ octets, raw }) => {
    expect(await send(proto.octets(1, Buffer.alloc(octets, 65)), {}, raw)).toMatchObject({ code: 8 })
  })

  it('one that is packed and fits is read', async () => {
    expect(await send(request, {}, { gzip: true })).toMatchObject({ code: 0 })
  })
})

describe('cert_chain', () => {
  it(
    'has the leaf, each issuer, and the roots together: one certificate an element, but for the ' + 'last',
    async () => {
      const [rootKey, upperKey, lowerKey] = [
        await SoftwareSigner.generate('P-256'),
        await SoftwareSigner.generate('P-256'),
        await SoftwareSigner.generate('P-256'),
      ]
      const root = await createRootCertificate(rootKey, { subject: 'CN=root', trustDomain: 'example.org' })
      const upper = await createIntermediateCertificate(
        { certificate: root, signer: rootKey },
        upperKey.publicKey,
        { subject: 'CN=upper', trustDomain: 'example.org', pathLength: 1 },
      )
      const lower = await createIntermediateCertificate(
        { certificate: upper, signer: upperKey },
        lowerKey.publicKey,
        { subject: 'CN=lower', trustDomain: 'example.org' },
      )
      const authority = createCertificateAuthority({
        trustDomain: 'example.org',
        certificate: lower,
        signer: lowerKey,
        chain: [upper],
        roots: [root, pki.root],
      })
      const { certChain } = await send(request, { issuance: createIssuanceService({ authority }) })
      expect(certChain).toHaveLength(4)
      expect(certChain.map((pem) => pem.split('-----BEGIN CERTIFICATE-----').length - 1)).toEqual([
        1, 1, 1, 2,
      ])
      expect(certChain.every((pem) => pem.endsWith('-----END CERTIFICATE-----\n'))).toBe(true)
      const [leaf, ...rest] = certChain.flatMap((pem) => Certificate.listFromPem(pem))
      expect(rest.map((one) => one.subject.toString())).toEqual([
        'CN=lower',
        'CN=upper',
        'CN=root',
        'CN=test root',
      ])
      expect(leaf!.verifySignatureBy(lower.publicKey)).toBe(true)
    },
  )

  it('follows the CA when it rotates', async () => {
    const own = await testPki()
    const { server } = await start({ issuance: own.issuance })
    const before = await callRaw(server, pki.root, request)
    const signer = await SoftwareSigner.generate('P-256')
    const next = await createRootCertificate(signer, { subject: 'CN=next', trustDomain: 'example.org' })
    await own.authority.rotate({ certificate: next, signer, roots: [own.root, next] })
    const after = await callRaw(server, pki.root, request)
    expect([before.certChain.length, after.certChain.length]).toEqual([2, 2])
    expect(Certificate.listFromPem(before.certChain[1]!)).toHaveLength(1)
    expect(Certificate.listFromPem(after.certChain[1]!)).toHaveLength(2)
    expect(Certificate.fromPem(after.certChain[0]!).verifySignatureBy(next.publicKey)).toBe(true)
  })

  it('comes from the signer that is named', async () => {
    const other = await testPki()
    const { certChain } = await send(concat([request, proto.metadata({ CertSigner: proto.text('other') })]), {
      signers: { other: other.issuance },
    })
    expect(Certificate.fromPem(certChain[0]!).verifySignatureBy(other.root.publicKey)).toBe(true)
  })
})

describe('headers', () => {
  const key = ApiKeyAuthenticator.generateKey()
  const authenticator = new ApiKeyAuthenticator({
    keys: [{ id: 'ci', digest: ApiKeyAuthenticator.digestOf(key), identities: [workloadId] }],
  })
  const opaque = { code: 16, details: 'request authenticate failure', certChain: [] }

  it.each<{
    readonly what: string
    readonly headers: NonNullable<RawOptions['headers']>
    readonly wanted: object
  }>([
    { what: 'one credential', headers: [['x-api-key', key]], wanted: { code: 0 } },
    { what: 'a name in capitals', headers: [['X-API-Key', key]], wanted: { code: 0 } },
    { what: 'none', headers: [], wanted: opaque },
    { what: 'an empty one', headers: [['x-api-key', '']], wanted: opaque },
    {
      what: 'a good one twice',
      headers: [
        ['x-api-key', key],
        ['x-api-key', key],
      ],
      wanted: opaque,
    },
    {
      what: 'a bad one before a good one',
      headers: [
        ['x-api-key', 'x'],
        ['x-api-key', key],
      ],
      wanted: opaque,
    },
    {
      what: 'a good one before a bad one',
      headers: [
        ['x-api-key', key],
        ['x-api-key', 'x'],
      ],
      wanted: opaque,
    },
    { what: 'two in one', headers: [['x-api-key', `${key}, ${key}`]], wanted: opaque },
    { what: 'one that is too long', headers: [['x-api-key', 'x'.repeat(4096)]], wanted: opaque },
    { what: 'one under another name', headers: [['authorization', `Bearer ${key}`]], wanted: opaque },
  ])('$what', async ({ headers, wanted }) => {
    expect(await send(request, { authenticator }, { headers })).toMatchObject(wanted)
  })

  it('authenticators see each by its lower-case name, and the peer', async () => {
    const seen: unknown[] = []
    await send(
      request,
      {
        authenticator: {
          name: 'x',
          authenticate: async (asked) => {
            seen.push(
              asked.header('authorization'),
              asked.header('clusterid'),
              asked.header('CA_HEADER_X'),
              asked.header('absent'),
              asked.transport,
              asked.peer?.address,
              asked.tls?.presentedChain,
              asked.signal.aborted,
            )
            return callerOf()
          },
        },
      },
      {
        headers: [
          ['Authorization', 'Bearer abc'],
          ['ClusterID', 'east'],
          ['ca_header_x', 'y'],
        ],
      },
    )
    expect(seen).toEqual([
      ['Bearer abc'],
      ['east'],
      ['y'],
      [],
      'grpc',
      expect.stringMatching(/127\.0\.0\.1|::/),
      [],
      false,
    ])
  })
})

describe('impersonation', () => {
  const wanted = 'spiffe://example.org/ns/prod/sa/web'
  const asking = (identity: string): Buffer =>
    concat([request, proto.metadata({ ImpersonatedIdentity: proto.text(identity) })])
  const opaque = { code: 16, details: 'request impersonation authentication failure', certChain: [] }
  const answering = (value: unknown): Partial<CertificateServerOptions> => ({
    impersonation: { authorize: async () => value as never },
  })

  it('gives exactly the identity that was asked for', async () => {
    const asked: unknown[] = []
    const { certChain } = await send(asking(wanted), {
      impersonation: {
        authorize: async (caller, identity) => {
          asked.push(caller.identities.map(String), identity)
          return { ...caller, identities: [SpiffeId.parse(identity)] }
        },
      },
    })
    expect(Certificate.fromPem(certChain[0]!).subjectAltName).toEqual([{ type: 'uri', value: wanted }])
    expect(asked).toEqual([[workloadId.toString()], wanted])
  })

  it.each<{
    readonly what: string
    readonly identity?: string
    readonly options: Partial<CertificateServerOptions>
  }>([
    { what: 'without somebody to allow it', options: {} },
    {
      what: 'that is not allowed',
      options: { impersonation: { authorize: () => Promise.reject(new Error('pod "ns/name" not found')) } },
    },
    {
      what: 'whose judge breaks',
      options: {
        impersonation: {
          authorize: () => {
            throw new TypeError('bug')
          },
        },
      },
    },
    {
      what: 'of somebody else than was asked for',
      options: answering(callerOf('spiffe://example.org/ns/prod/sa/other')),
    },
    { what: 'of the caller itself', options: answering(callerOf()) },
    { what: 'of two', options: answering(callerOf(wanted, 'spiffe://example.org/ns/prod/sa/other')) },
    { what: 'of nobody', options: answering({ ...callerOf(), identities: [] }) },
    { what: 'that answers nothing', options: answering(undefined) },
    { what: 'that answers true', options: answering(true) },
    { what: 'of text', options: answering({ ...callerOf(), identities: [wanted] }) },
    {
      what: 'in another trust domain',
      identity: 'spiffe://other.example/x',
      options: answering(callerOf('spiffe://other.example/x')),
    },
    {
      what: 'of what is no SPIFFE ID',
      identity: 'spiffe://example.org/a,spiffe://example.org/b',
      options: answering(callerOf(wanted)),
    },
    { what: 'of an address', identity: '10.0.0.1', options: answering(callerOf(wanted)) },
  ])('$what is refused without a word', async ({ identity = wanted, options }) => {
    const { server, log } = await start(options)
    expect(await callRaw(server, pki.root, asking(identity))).toMatchObject(opaque)
    expect(log.at(-1)).toMatchObject({ level: 'warn', code: expect.stringMatching(/^ERR_/) })
  })

  it('that is not set up is said to be so, in the log', async () => {
    const { server, log } = await start()
    await callRaw(server, pki.root, asking(wanted))
    expect(log).toMatchObject([{ code: 'ERR_CREDENTIAL_INVALID' }])
  })

  it('that is allowed is refused for other reasons as any request is', async () => {
    const message = concat([asking(wanted), proto.number(3, 7_776_001n)])
    expect(await send(message, answering(callerOf(wanted)))).toMatchObject({
      code: 3,
      details: expect.stringContaining('ERR_TTL'),
    })
  })

  it('is not what a caller of another trust domain asked for', async () => {
    const answer = await send(request, {
      authenticator: { name: 'x', authenticate: async () => callerOf('spiffe://other.example/x') },
    })
    expect(answer).toMatchObject({ code: 3, details: expect.stringContaining('ERR_POLICY_TRUST_DOMAIN') })
  })

  it('is asked about only for callers that are somebody', async () => {
    let asked = 0
    const answer = await send(asking(wanted), {
      authenticator: { name: 'none', authenticate: async () => undefined },
      impersonation: {
        authorize: async (caller) => {
          asked++
          return caller
        },
      },
    })
    expect([answer.details, asked]).toEqual(['request authenticate failure', 0])
  })
})

describe('a client certificate', () => {
  it('is judged at every call: a connection of before knows nothing of the roots of now', async () => {
    const own = await testPki()
    const { server } = await start({
      issuance: own.issuance,
      authenticator: new ClientCertificateAuthenticator({
        bundles: own.authority,
      }),
    })
    const credential = await tlsCredential(own)
    const client = new Client(
      `localhost:${server.port}`,
      credentials.createSsl(
        Buffer.from(pki.root.toPem()),
        Buffer.from(credential.privateKey),
        Buffer.from(credential.certificateChain),
      ),
    )
    keep({ [Symbol.asyncDispose]: async () => client.close() })
    const ask = async (): Promise<number> => (await callBy(client, request)).code
    expect(await ask()).toBe(0)
    const signer = await SoftwareSigner.generate('P-256')
    const next = await createRootCertificate(signer, { subject: 'CN=next', trustDomain: 'example.org' })
    await own.authority.rotate({ certificate: next, signer, roots: [own.root, next] })
    expect(await ask()).toBe(0)
    await own.authority.rotate({ certificate: next, signer })
    expect([await ask(), server.connections]).toEqual([16, 1])
  })
})

describe('a client certificate that is revoked', () => {
  it('is refused at the next call of its connection, and gets no other one', async () => {
    const own = await testPki()
    const { server, log } = await start({
      issuance: own.issuance,
      authenticator: new ClientCertificateAuthenticator({ bundles: own.authority }),
    })
    const credential = await tlsCredential(own)
    const tlsOfClient = credentials.createSsl(
      Buffer.from(pki.root.toPem()),
      Buffer.from(credential.privateKey),
      Buffer.from(credential.certificateChain),
    )
    const client = new Client(`localhost:${server.port}`, tlsOfClient)
    keep({ [Symbol.asyncDispose]: async () => client.close() })
    expect(await callBy(client, request)).toMatchObject({ code: 0 })
    await own.issuance.revoke(credential.certificate.serialNumber, 'keyCompromise', callerOf())
    expect(await callBy(client, request)).toMatchObject({ code: 16, certChain: [] })
    expect(log).toContainEqual(code('ERR_CLIENT_CERTIFICATE_UNTRUSTED'))
  })
})

describe('a port without TLS', () => {
  it('has no client certificates', async () => {
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
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    keep({
      [Symbol.asyncDispose]: async () => {
        client.close()
        server.forceShutdown()
      },
    })
    expect(await callBy(client, request)).toMatchObject({ code: 16, details: 'request authenticate failure' })
  })
})
