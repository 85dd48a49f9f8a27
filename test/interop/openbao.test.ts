// OpenBao over TLS, and its login with the token of a service account of Kubernetes.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createVaultClient } from '../../src/adapters/vault/index.ts'
import { exportPrivateKey } from '../../src/keys/index.ts'
import { generalName } from '../../src/x509/index.ts'
import type { Certificate } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'
import { httpEndpoint } from '../support/http-endpoint.ts'
import { callerOf, newRequest, testPki } from '../support/pki.ts'
import { issueVerified, rotatingBelow } from '../support/remote-ca.ts'
import { openBaoBinary, requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { makeToken, tokenKey } from '../support/tokens.ts'
import { freePort, startOpenBao } from '../support/vault-server.ts'
import type { VaultServer } from '../support/vault-server.ts'

const newFolder = temporaryFolders('openbao-')
type Options = Parameters<typeof createVaultClient>[0]

describe.skipIf(!requires('openbao'))('OpenBao over TLS', () => {
  let bao: VaultServer
  let address: string
  let root: Certificate

  beforeAll(async () => {
    const pki = await testPki()
    root = pki.root
    const names = { extensions: { subjectAltName: [generalName.dns('localhost')] } }
    const { signer, request } = await newRequest('P-256', names)
    const { certificate } = await pki.issuance.issue({ csr: request }, callerOf())
    const folder = newFolder()
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
      return join(folder, name)
    }
    const port = await freePort()
    address = `https://localhost:${port}`
    bao = await startOpenBao(openBaoBinary() as string, folder, {
      port,
      certificateFile: file('certificate.pem', certificate.toPem()),
      keyFile: file('key.pem', exportPrivateKey(signer.privateKey())),
    })
  }, 300_000)
  afterAll(() => bao?.[Symbol.asyncDispose]())

  const open = (options: Partial<Options> = {}) => {
    const given = { address, caCertificates: root.toPem(), auth: { appRole: bao.appRole } }
    const client = createVaultClient({ ...given, ...options })
    onTestFinished(() => client[Symbol.asyncDispose]())
    return client
  }

  it('certifies our CA', async () => {
    const rotating = await rotatingBelow(open().upstream())
    expect(
      (await issueVerified(rotating.authority)).issuer.equals(rotating.authority.certificate.subject),
    ).toBe(true)
  })

  it('is not asked where its certificate is of another root', async () => {
    const { root: other } = await testPki()
    const upstream = open({ caCertificates: other.toPem() }).upstream()
    await expect(upstream.roots()).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
  })

  it('takes the token of a service account that its cluster vouches for, and no other', async () => {
    const api = await httpEndpoint((request, response) => {
      let text = ''
      request.on('data', (part) => (text += String(part)))
      request.on('end', () => {
        const { spec } = JSON.parse(text) as { readonly spec: { readonly token: string } }
        const user = { username: 'system:serviceaccount:default:spiffe-ca', uid: 'b7d4' }
        const status =
          spec.token === good
            ? { authenticated: true, user, audiences: [audience] }
            : { authenticated: false }
        const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', status }
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(review))
      })
    })
    await bao.admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' })
    await bao.admin('POST', 'auth/kubernetes/config', {
      kubernetes_host: api.origin,
      token_reviewer_jwt: good,
      kubernetes_ca_cert: root.toPem(),
      disable_local_ca_jwt: true,
    })
    await bao.admin('POST', 'auth/kubernetes/role/ca', {
      bound_service_account_names: ['spiffe-ca'],
      bound_service_account_namespaces: ['default'],
      token_policies: ['ca'],
      token_ttl: '1h',
    })
    // The kubelet ends its file without a line break; an editor may not.
    const client = open({ auth: { kubernetes: { role: 'ca', jwt: () => `${good}\n` } } })
    const rotating = await rotatingBelow(client.upstream())
    expect(rotating.authority.roots).toHaveLength(1)
    expect(api.requests.map(({ url }) => url)).toEqual(['/apis/authentication.k8s.io/v1/tokenreviews'])
    const forged = open({ auth: { kubernetes: { role: 'ca', jwt: tokenOf('other') } } })
    await expect(rotatingBelow(forged.upstream())).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
  })
})

const audience = 'https://kubernetes.default.svc'
const key = tokenKey()
function tokenOf(uid: string): string {
  const now = Math.floor(Date.now() / 1000)
  return makeToken(key, {
    iss: audience,
    sub: 'system:serviceaccount:default:spiffe-ca',
    aud: [audience],
    iat: now,
    exp: now + 3600,
    'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'spiffe-ca', uid } },
  })
}
const good = tokenOf('b7d4')
