// A fake Vault, written from the public HTTP API of its PKI secrets engine and auth methods, whose responses
// a test can replace.

import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createIntermediateCertificate } from '../../src/ca/index.ts'
import type { SoftwareSigner } from '../../src/keys/index.ts'
import { CertificateRequest, buildCertificate, generalName } from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'

/** Takes a request over; false leaves it to the fake. */
export type Hook = (path: string, response: ServerResponse, body: Record<string, unknown>) => boolean

export interface FakeVault extends AsyncDisposable {
  readonly address: string
  readonly root: Certificate
  /** Each request, as `POST pki/root/sign-intermediate`. */
  readonly requests: string[]
  /** Tokens that are accepted. */
  readonly tokens: Set<string>
  hook: Hook
  /** Seconds of new tokens. */
  leaseSeconds: number
}

export async function fakeVault(ca: {
  readonly certificate: Certificate
  readonly signer: SoftwareSigner
}): Promise<FakeVault> {
  const tokens = new Set(['root-token'])
  const requests: string[] = []
  let count = 0
  const newToken = (): object => {
    const token = `hvs.${++count}`
    tokens.add(token)
    return { client_token: token, lease_duration: vault.leaseSeconds, renewable: true }
  }
  const answer = async (
    path: string,
    token: string,
    body: Record<string, unknown>,
  ): Promise<[number, unknown]> => {
    if (path === 'auth/approle/login')
      return body['secret_id'] === 'secret'
        ? [200, { auth: newToken() }]
        : [400, { errors: ['invalid secret id'] }]
    if (path === 'auth/kubernetes/login')
      return body['jwt'] === 'a.b.c' ? [200, { auth: newToken() }] : [403, { errors: ['permission denied'] }]
    if (!tokens.has(token)) return [403, { errors: ['permission denied'] }]
    if (path === 'auth/token/lookup-self')
      return [200, { data: { ttl: vault.leaseSeconds, renewable: true } }]
    if (path === 'auth/token/renew-self')
      return [200, { auth: { client_token: token, lease_duration: vault.leaseSeconds, renewable: true } }]
    if (path === 'pki/cert/ca_chain')
      return [200, { data: { certificate: ca.certificate.toPem(), ca_chain: '' } }]
    if (path === 'pki/root/sign-intermediate') return signIntermediate(body)
    if (path === 'pki/sign/workload') return signLeaf(body)
    return [404, { errors: [`no handler for route ${path}`] }]
  }
  const signIntermediate = async (body: Record<string, unknown>): Promise<[number, unknown]> => {
    try {
      const csr = CertificateRequest.fromPem(String(body['csr']))
      const certificate = await createIntermediateCertificate(ca, csr.verify().publicKey, {
        subject: csr.subject,
        trustDomain: 'example.org',
        ttlSeconds: Number.parseInt(String(body['ttl'])),
      })
      const root = ca.certificate.toPem()
      return [200, { data: { certificate: certificate.toPem(), issuing_ca: root, ca_chain: [root] } }]
    } catch (error) {
      return [400, { errors: [String(error)] }]
    }
  }
  const signLeaf = async (body: Record<string, unknown>): Promise<[number, unknown]> => {
    const csr = CertificateRequest.fromPem(String(body['csr']))
    const nowMs = Math.floor(Date.now() / 1000) * 1000
    const list = (key: string): string[] =>
      String(body[key] ?? '')
        .split(',')
        .filter((one) => one !== '')
    const certificate = await buildCertificate(
      {
        issuer: ca.certificate.subject,
        publicKey: csr.publicKey,
        notBefore: new Date(nowMs - 30_000),
        notAfter: new Date(nowMs + Number.parseInt(String(body['ttl'])) * 1000),
        extensions: {
          basicConstraints: { ca: false },
          keyUsage: ['digitalSignature'],
          extendedKeyUsage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'],
          subjectKeyIdentifier: csr.publicKey,
          authorityKeyIdentifier: ca.certificate.subjectKeyIdentifier,
          subjectAltName: [
            ...list('alt_names').map((name) => generalName.dns(name)),
            ...list('ip_sans').map((address) => generalName.ip(address)),
            ...list('uri_sans').map((uri) => generalName.uri(uri)),
          ],
        },
      },
      ca.signer,
    )
    const root = ca.certificate.toPem()
    return [200, { data: { certificate: certificate.toPem(), issuing_ca: root, ca_chain: [root] } }]
  }
  const server: Server = createServer((request, response) => {
    void (async () => {
      const path = (request.url ?? '').replace(/^\/v1\//, '')
      requests.push(`${request.method ?? ''} ${path}`)
      const body = await jsonOf(request)
      if (vault.hook(path, response, body)) return
      const [status, value] = await answer(path, String(request.headers['x-vault-token'] ?? ''), body)
      reply(response, status, value)
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const vault: FakeVault = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    root: ca.certificate,
    requests,
    tokens,
    hook: () => false,
    leaseSeconds: 3600,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return vault
}

export function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

async function jsonOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = ''
  for await (const part of request) text += String(part)
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}
