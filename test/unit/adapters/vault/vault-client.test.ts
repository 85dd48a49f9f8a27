// Vault as the CA above: logins, renewal of the token, and answers that are refused.

import type { ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createVaultClient } from '../../../../src/adapters/vault/index.ts'
import {
  createIntermediateCertificate,
  createMemoryStorage,
  createRegistrationAuthority,
  createRootCertificate,
  createRotatingAuthority,
} from '../../../../src/ca/index.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../../../src/keys/index.ts'
import { FakeClock, contracts } from '../../../../src/testing/index.ts'
import { CertificateRequest, buildCertificateRequest, generalName } from '../../../../src/x509/index.ts'
import { code } from '../../../support/codes.ts'
import { itKeeps } from '../../../support/contract.ts'
import { fakeVault, reply } from '../../../support/fake-vault.ts'
import type { FakeVault, Hook } from '../../../support/fake-vault.ts'

type Options = Parameters<typeof createVaultClient>[0]

const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=Vault root' })
const csr = await buildCertificateRequest({ subject: 'CN=ours' }, await SoftwareSigner.generate('P-256'))
const appRole = { roleId: 'role', secretId: () => 'secret' }

async function open(options: Partial<Options> = {}) {
  const vault = await fakeVault({ certificate, signer })
  const client = createVaultClient({ address: vault.address, auth: { appRole }, ...options })
  onTestFinished(async () => {
    await client[Symbol.asyncDispose]()
    await vault[Symbol.asyncDispose]()
  })
  return { vault, client, upstream: client.upstream() }
}

const rotatingBelow = (upstream: Awaited<ReturnType<typeof open>>['upstream']) =>
  createRotatingAuthority({
    trustDomain: 'example.org',
    upstream,
    storage: createMemoryStorage(),
    keys: new MemoryKeyManager(),
    automatic: false,
  })

describe('the upstream of a mount', () => {
  itKeeps(
    contracts.UpstreamAuthority({ open: async () => (await open()).upstream, trustDomain: 'example.org' }),
  )

  it('certifies the authorities of a CA, and the CA trusts its root', async () => {
    const { upstream } = await open()
    const rotating = await rotatingBelow(upstream)
    expect(rotating.authority.roots.map((root) => root.equals(certificate))).toEqual([true])
    expect(rotating.authority.chain).toHaveLength(1)
  })
})

describe('the signer of a role', () => {
  itKeeps(
    contracts.RemoteSigner({
      open: async () => (await open()).client.signer({ role: 'workload' }),
      trustDomain: 'example.org',
    }),
  )

  it('signs what a registration authority decided: URI, DNS names and addresses', async () => {
    const { client } = await open()
    const authority = await createRegistrationAuthority({
      trustDomain: 'example.org',
      signer: client.signer({ role: 'workload' }),
    })
    const subjectAltName = [
      generalName.uri('spiffe://example.org/web'),
      generalName.dns('web.example'),
      generalName.ip('10.1.2.3'),
      generalName.ip('2001:db8::1'),
    ]
    const { certificate: leaf } = await authority.sign(await authority.prepare(csr, { subjectAltName }))
    expect(leaf.verifySignatureBy(certificate.publicKey)).toBe(true)
    expect(leaf.subjectAltName).toHaveLength(4)
  })

  it.each([
    [generalName.uri('spiffe://example.org/a,spiffe://example.org/admin')],
    [generalName.email('a@example.org')],
  ])('never sends %j', async (name) => {
    const { client, vault } = await open()
    const request = { csr, subjectAltName: [name], subject: undefined, ttlSeconds: 60 }
    await expect(client.signer({ role: 'workload' }).sign(request)).rejects.toThrow(code('ERR_CA_REFUSED'))
    expect(vault.requests).toEqual([])
  })

  it.each([
    { role: '' },
    { role: '../x' },
    { role: '..' },
    { role: 'a', mount: '..' },
    { role: 'a', x: 1 } as never,
  ])('is not made with %j', async (options) => {
    const { client } = await open()
    expect(() => client.signer(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('a client logs in', () => {
  it.each<[string, Options['auth'], string]>([
    ['with a role and a secret id', { appRole }, 'POST auth/approle/login'],
    [
      'with the token of a service account',
      { kubernetes: { role: 'r', jwt: 'a.b.c\n' } },
      'POST auth/kubernetes/login',
    ],
    ['with a token', { token: 'root-token' }, 'GET auth/token/lookup-self'],
  ])('%s, once', async (_what, auth, first) => {
    const { vault, upstream } = await open({ auth })
    await Promise.all([upstream.roots(), upstream.roots(), upstream.roots()])
    expect(vault.requests.filter((one) => one.includes('auth/'))).toEqual([first])
  })

  it.each<[string, Options['auth'], string]>([
    ['a wrong secret id', { appRole: { ...appRole, secretId: 'wrong' } }, 'ERR_CA_REFUSED'],
    ['a wrong token of a service account', { kubernetes: { role: 'r', jwt: 'x' } }, 'ERR_CA_UNAUTHENTICATED'],
    ['a wrong token', { token: 'wrong' }, 'ERR_CA_UNAUTHENTICATED'],
    ['no text', { token: () => undefined as never }, 'ERR_CA_UNAUTHENTICATED'],
    ['a header in the token', { token: 'a\r\nx-vault-token: b' }, 'ERR_CA_UNAUTHENTICATED'],
  ])('not with %s', async (_what, auth, expected) => {
    const { upstream } = await open({ auth })
    await expect(upstream.roots()).rejects.toThrow(code(expected))
  })

  it('again, once, where its token was revoked', async () => {
    const { vault, upstream } = await open()
    await upstream.roots()
    vault.tokens.clear()
    await upstream.roots()
    expect(vault.requests.filter((one) => one.includes('login'))).toHaveLength(2)
  })

  it('not again where its token may not do what was asked', async () => {
    const { vault, upstream } = await open()
    vault.hook = only('pki/cert/ca_chain', (response) => reply(response, 403, { errors: ['denied'] }))
    for (let count = 0; count < 3; count++)
      await expect(upstream.roots()).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
    expect(vault.requests.filter((one) => one.includes('login'))).toHaveLength(1)
  })

  it('and renews the token before it expires; a failure of that is mended by the next call', async () => {
    const clock = new FakeClock()
    const { vault, upstream } = await open({ clock })
    await upstream.roots()
    const renewals = (): number => vault.requests.filter((one) => one.includes('renew-self')).length
    clock.advance(2399_000)
    expect(renewals()).toBe(0)
    clock.advance(2000)
    await expect.poll(renewals).toBe(1)
    await expect.poll(() => clock.pending).toBe(1)
    vault.tokens.clear()
    clock.advance(2401_000)
    await expect.poll(renewals).toBe(2)
    await expect(upstream.roots()).resolves.toHaveLength(1)
  })

  it('and renews a token that it was given again, where Vault was away', async () => {
    const clock = new FakeClock()
    const { vault, upstream } = await open({ clock, auth: { token: 'root-token' } })
    await upstream.roots()
    const renewals = (): number => vault.requests.filter((one) => one.includes('renew-self')).length
    vault.hook = only('auth/token/renew-self', (response) => reply(response, 503, {}))
    clock.advance(2401_000)
    await expect.poll(renewals).toBe(1)
    await expect.poll(() => clock.pending).toBe(1)
    vault.hook = () => false
    clock.advance(801_000)
    await expect.poll(renewals).toBe(2)
    await expect.poll(() => clock.pending).toBe(1)
    clock.advance(2401_000)
    await expect.poll(renewals).toBe(3)
  })

  it('and leaves no timer behind', async () => {
    const clock = new FakeClock()
    const { client, upstream } = await open({ clock })
    await upstream.roots()
    expect(clock.pending).toBe(1)
    await client[Symbol.asyncDispose]()
    expect(clock.pending).toBe(0)
    await expect(upstream.roots()).rejects.toThrow(code('ERR_CLOSED'))
  })
})

const only =
  (
    path: string,
    act: (response: ServerResponse, body: Record<string, unknown>) => void | Promise<void>,
  ): Hook =>
  (asked, response, body) => {
    if (asked !== path) return false
    void act(response, body)
    return true
  }
const sign = 'pki/root/sign-intermediate'
const rootPem = certificate.toPem()
const data = (fields: object): object => ({ data: { ca_chain: [rootPem], issuing_ca: rootPem, ...fields } })

describe('an answer is refused', () => {
  const raw = (type: string, body: string | Buffer) => (response: ServerResponse) =>
    void response.writeHead(200, { 'content-type': type }).end(body)
  it.each<[string, (vault: FakeVault) => Hook, string]>([
    ['a page', () => only(sign, raw('text/html', '<html>log in</html>')), 'ERR_CA_REPLY'],
    ['no JSON', () => only(sign, raw('application/json', '{"data":')), 'ERR_CA_REPLY'],
    ['a key twice', () => only(sign, raw('application/json', '{"data":1,"data":{}}')), 'ERR_CA_REPLY'],
    ['a list', () => only(sign, raw('application/json', '[]')), 'ERR_CA_REPLY'],
    ['a gigabyte', () => only(sign, endless), 'ERR_CA_REPLY'],
    ['nothing for too long', () => only(sign, () => undefined), 'ERR_CA_UNAVAILABLE'],
    ['a broken connection', () => only(sign, (response) => void response.destroy()), 'ERR_CA_UNAVAILABLE'],
    ['no certificate', () => only(sign, (response) => reply(response, 200, data({}))), 'ERR_CA_REPLY'],
    [
      'a thousand certificates',
      () =>
        only('pki/cert/ca_chain', (response) =>
          reply(response, 200, data({ ca_chain: Array(1000).fill(rootPem) })),
        ),
      'ERR_CA_REPLY',
    ],
    [
      'another text',
      () => only(sign, (response) => reply(response, 200, data({ certificate: 'x' }))),
      'ERR_CA_REPLY',
    ],
    [
      'a number',
      () => only(sign, (response) => reply(response, 200, data({ certificate: 7 }))),
      'ERR_CA_REPLY',
    ],
    [
      'a sealed Vault',
      () => only(sign, (response) => reply(response, 503, { errors: ['sealed'] })),
      'ERR_CA_UNAVAILABLE',
    ],
    ['too many requests', () => only(sign, (response) => reply(response, 429, {})), 'ERR_CA_UNAVAILABLE'],
    ['a refusal', () => only(sign, (response) => reply(response, 400, { errors: ['no'] })), 'ERR_CA_REFUSED'],
    [
      'a redirect',
      () => only(sign, (response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()),
      'ERR_CA_UNAVAILABLE',
    ],
    [
      'the root itself',
      () => only(sign, (response) => reply(response, 200, data({ certificate: rootPem }))),
      'ERR_CA_REPLY',
    ],
    [
      'another key',
      () =>
        only(sign, async (response, body) => {
          const wanted = CertificateRequest.fromPem(String(body['csr']))
          const { publicKey } = await SoftwareSigner.generate('P-256')
          const other = await createIntermediateCertificate({ certificate, signer }, publicKey, {
            subject: wanted.subject,
            ttlSeconds: 86_400,
          })
          reply(response, 200, data({ certificate: other.toPem() }))
        }),
      'ERR_CA_REPLY',
    ],
    [
      'another subject',
      () =>
        only(sign, async (response, body) => {
          const wanted = CertificateRequest.fromPem(String(body['csr']))
          const other = await createIntermediateCertificate({ certificate, signer }, wanted.publicKey, {
            subject: 'CN=Vault knows better',
          })
          reply(response, 200, data({ certificate: other.toPem() }))
        }),
      'ERR_CA_REPLY',
    ],
    [
      'a chain without a root',
      () =>
        only(sign, async (response, body) => {
          const wanted = CertificateRequest.fromPem(String(body['csr']))
          const one = await createIntermediateCertificate({ certificate, signer }, wanted.publicKey, {
            subject: wanted.subject,
          })
          reply(response, 200, { data: { certificate: one.toPem(), ca_chain: [] } })
        }),
      'ERR_CA_REPLY',
    ],
  ])('%s', async (_what, hook, expected) => {
    const { vault, upstream } = await open({ timeoutMs: 1500 })
    vault.hook = hook(vault)
    await expect(rotatingBelow(upstream)).rejects.toThrow(code(expected))
  })

  it('and no message has the token or the secret', async () => {
    const { vault, upstream } = await open({ auth: { token: 'root-token' } })
    vault.hook = only(sign, (response) => reply(response, 400, { errors: ['no:\n root-token'] }))
    const error = await upstream.issueIntermediate({ csr, ttlSeconds: 60 }).catch((caught: unknown) => caught)
    expect(String((error as Error).stack) + JSON.stringify(error)).not.toContain('root-token')
    expect((error as Error).message).toMatch(/status 400: no: +…$/)
  })
})

describe('a client is not made', () => {
  it.each<Partial<Record<keyof Options, unknown>>>([
    { address: 'http://vault.example:8200' },
    { address: 'https://user@vault.example' },
    { address: 'https://vault.example/?a=b' },
    { address: 'ftp://127.0.0.1' },
    { address: 'vault' },
    { auth: {} },
    { auth: { token: 't', appRole } },
    { auth: { appRole: { roleId: 'r' } } },
    { auth: { appRole: { ...appRole, mount: '../sys' } } },
    { auth: { token: undefined } },
    { timeoutMs: 0 },
    { namespace: 'a b' },
    { adress: 'x' } as never,
  ])('with %j', (options) => {
    const given = { address: 'https://vault.example', auth: { appRole }, ...options }
    expect(() => createVaultClient(given as Options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it.each([
    { mount: '../sys' },
    { mount: '' },
    { mount: 'a/../b' },
    { issuer: 'a/b' },
    { mounts: 'pki' } as never,
  ])('with the upstream %j', async (options) => {
    const { client } = await open()
    expect(() => client.upstream(options)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})

/** Octets without an end, as fast as they are taken. */
function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const part = Buffer.alloc(64 * 1024, 0x20)
  const write = (): void => {
    while (!response.destroyed && response.write(part));
  }
  response.on('drain', write)
  write()
}
