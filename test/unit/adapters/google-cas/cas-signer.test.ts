// Google CAS against a fake of its public REST API: what is asked for, and what is refused.

import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createCasSigner } from '../../../../src/adapters/google-cas/index.ts'
import { createRegistrationAuthority, createRootCertificate } from '../../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../../src/keys/index.ts'
import { contracts } from '../../../../src/testing/index.ts'
import { PublicKey, buildCertificate, generalName } from '../../../../src/x509/index.ts'
import type { GeneralName } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { itKeeps } from '../../../support/contract.ts'
import { newRequest } from '../../../support/pki.ts'

const pool = 'projects/p/locations/europe-west1/caPools/mesh'
const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=CAS root' })

interface Config {
  readonly lifetime: string
  readonly config: {
    readonly publicKey: { readonly key: string }
    readonly subjectConfig: {
      readonly subjectAltName: Readonly<Record<'uris' | 'dnsNames' | 'ipAddresses', readonly string[]>>
    }
  }
}

type Answer = readonly [status: number, body: unknown]

/** `change` replaces the answer to the creation of a certificate. */
async function open(change?: () => Answer, accessToken: () => string | Promise<string> = () => 'ya29.token') {
  const requests: { readonly url: string; readonly body: unknown; readonly authorization: string }[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const [url, body] = [request.url ?? '', await jsonOf(request)]
      const { authorization = '' } = request.headers
      requests.push({ url, body, authorization })
      const [status, value] = await answer(url, body as Config, authorization)
      response
        .writeHead(status, { 'content-type': 'application/json; charset=UTF-8' })
        .end(JSON.stringify(value))
    })()
  })
  const answer = async (url: string, body: Config, authorization: string): Promise<Answer> => {
    if (authorization !== 'Bearer ya29.token')
      return [401, { error: { code: 401, message: 'no credential' } }]
    if (url === `/v1/${pool}:fetchCaCerts`) return [200, { caCerts: [{ certificates: [root.toPem()] }] }]
    return change?.() ?? [200, await created(body)]
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const cas = createCasSigner({ pool, accessToken, endpoint })
  onTestFinished(async () => {
    await cas[Symbol.asyncDispose]()
    server.closeAllConnections()
    server.close()
  })
  return { cas, requests }
}

async function created({ lifetime, config }: Config): Promise<object> {
  const pem = Buffer.from(config.publicKey.key, 'base64').toString()
  const publicKey = PublicKey.from(Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64'))
  const { uris, dnsNames, ipAddresses } = config.subjectConfig.subjectAltName
  const nowMs = Math.floor(Date.now() / 1000) * 1000
  const subjectAltName: GeneralName[] = [
    ...dnsNames.map((name) => generalName.dns(name)),
    ...uris.map((uri) => generalName.uri(uri)),
    ...ipAddresses.map((address) => generalName.ip(address)),
  ]
  const certificate = await buildCertificate(
    {
      issuer: root.subject,
      publicKey,
      notBefore: new Date(nowMs),
      notAfter: new Date(nowMs + Number.parseInt(lifetime) * 1000),
      extensions: {
        basicConstraints: { ca: false },
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
        subjectKeyIdentifier: publicKey,
        authorityKeyIdentifier: root.subjectKeyIdentifier,
        subjectAltName,
      },
    },
    signer,
  )
  return {
    name: `${pool}/certificates/c`,
    pemCertificate: certificate.toPem(),
    pemCertificateChain: [root.toPem()],
  }
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const part of request) text += String(part)
  return text === '' ? {} : JSON.parse(text)
}

describe('a CA pool', () => {
  itKeeps(contracts.RemoteSigner({ open: async () => (await open()).cas, trustDomain: 'example.org' }))

  it('is asked for what was decided, and for nothing of the request but its key', async () => {
    const { cas, requests } = await open()
    const authority = await createRegistrationAuthority({ trustDomain: 'example.org', signer: cas })
    const { request } = await newRequest('P-256', {
      subject: 'CN=admin',
      extensions: { subjectAltName: [generalName.dns('bank.example')] },
    })
    const subjectAltName = [generalName.uri('spiffe://example.org/web'), generalName.dns('web.example')]
    const { certificate } = await authority.sign(await authority.prepare(request, { subjectAltName }))
    expect(certificate.subject.isEmpty).toBe(true)
    expect(JSON.stringify(requests)).not.toContain('bank')
    expect(
      requests.map(({ url }) => url.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'id')),
    ).toEqual([
      `/v1/${pool}:fetchCaCerts`,
      `/v1/${pool}/certificates?certificateId=c-id&requestId=id`,
      `/v1/${pool}:fetchCaCerts`,
    ])
  })

  it.each<[string, (() => Answer) | undefined, (() => string) | undefined, string]>([
    ['no permission', () => [403, { error: { message: 'denied' } }], undefined, 'ERR_CA_UNAUTHENTICATED'],
    ['a refusal', () => [400, { error: { message: 'quota' } }], undefined, 'ERR_CA_REFUSED'],
    ['an overload', () => [429, {}], undefined, 'ERR_CA_UNAVAILABLE'],
    ['a failure', () => [500, {}], undefined, 'ERR_CA_UNAVAILABLE'],
    ['no certificate', () => [200, {}], undefined, 'ERR_CA_REPLY'],
    ['a number', () => [200, { pemCertificate: 7 }], undefined, 'ERR_CA_REPLY'],
    ['a text', () => [200, { pemCertificate: 'x' }], undefined, 'ERR_CA_REPLY'],
    ['a list', () => [200, []], undefined, 'ERR_CA_REPLY'],
    ['a wrong token', undefined, () => 'wrong', 'ERR_CA_UNAUTHENTICATED'],
    ['no token', undefined, () => 'a b', 'ERR_CA_UNAUTHENTICATED'],
    [
      'a token that cannot be read',
      undefined,
      () => {
        throw new Error('gone')
      },
      'ERR_CA_UNAUTHENTICATED',
    ],
  ])('that answers with %s', async (_what, change, accessToken, expected) => {
    const { cas } = await open(change, accessToken)
    const { request: csr } = await newRequest()
    const subjectAltName = [generalName.uri('spiffe://example.org/web')]
    await expect(cas.sign({ csr, subjectAltName, subject: undefined, ttlSeconds: 60 })).rejects.toThrow(
      code(expected),
    )
  })

  it('that repeats the token: it is not in the message', async () => {
    const { cas } = await open(() => [403, { error: { message: 'not for ya29.token' } }])
    const { request: csr } = await newRequest()
    const subjectAltName = [generalName.uri('spiffe://example.org/web')]
    await expect(cas.sign({ csr, subjectAltName, subject: undefined, ttlSeconds: 60 })).rejects.toThrow(
      /: not for …$/,
    )
  })

  it('whose token is not supplied is not waited for after an abort', async () => {
    const { cas } = await open(undefined, () => new Promise(() => undefined))
    await expect(cas.roots(AbortSignal.abort())).rejects.toThrow(code('ERR_ABORTED'))
  })

  it.each([
    { pool: 'mesh' },
    { pool: `${pool}/../x` },
    { endpoint: 'http://cas.example' },
    { endpoint: 'x' },
    { endpoint: 'https://user:secret@cas.example' },
    { endpoint: 'https://cas.example/v2' },
    { endpoint: 'https://cas.example/?a=b' },
    { accessToken: 'token' },
    { pools: 1 },
  ])('is not used with %j', (options) => {
    const given = { pool, accessToken: () => 'x', ...options } as never
    expect(() => createCasSigner(given)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
