// step-ca as the one that signs what our registration authority decided, and as the CA above ours, by its
// HTTP API: one-time tokens of two JWK provisioners with templates.

import { randomUUID } from 'node:crypto'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  createIntermediateCertificate,
  createRegistrationAuthority,
  createRootCertificate,
} from '../../src/ca/index.ts'
import type { RemoteSigner, UpstreamAuthority } from '../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { createGuardedFetcher } from '../../src/runtime/index.ts'
import type { GuardedFetcher } from '../../src/runtime/index.ts'
import { Certificate } from '../../src/x509/index.ts'
import type { CertificateRequest } from '../../src/x509/index.ts'
import { contracts } from '../../src/testing/index.ts'
import { itKeeps } from '../support/contract.ts'
import { GoProgram } from '../support/go-program.ts'
import { issueVerified, rotatingBelow } from '../support/remote-ca.ts'
import { temporaryFolders } from '../support/temporary.ts'
import { makeToken, tokenKey } from '../support/tokens.ts'
import { freePort } from '../support/vault-server.ts'

const program = new GoProgram('step-ca', {
  target: 'github.com/smallstep/certificates/cmd/step-ca',
  isHeavy: true,
})
const newFolder = temporaryFolders('step-ca-')
const trustDomain = 'example.org'
const key = tokenKey('ra')

/** The names of the token, which are those that were decided on; nothing of the request. */
const leafTemplate = `{
  "subject": {}, "sans": {{ toJson .SANs }},
  "keyUsage": ["digitalSignature"], "extKeyUsage": ["serverAuth", "clientAuth"]
}`
const caTemplate = `{
  "subject": {{ toJson .Insecure.CR.Subject }}, "sans": {{ toJson .SANs }},
  "keyUsage": ["certSign", "crlSign"], "basicConstraints": { "isCA": true, "maxPathLen": 0 }
}`

describe.skipIf(!program.isAvailable)('step-ca', () => {
  let origin: string
  let root: Certificate
  let fetcher: GuardedFetcher
  let stop: () => Promise<void>

  beforeAll(async () => {
    const binary = await program.build()
    const folder = newFolder()
    const port = await freePort()
    origin = `https://localhost:${port}`
    const [rootKey, caKey] = [await SoftwareSigner.generate('P-256'), await SoftwareSigner.generate('P-256')]
    root = await createRootCertificate(rootKey, { subject: 'CN=step root', pathLength: 2 })
    const parent = { certificate: root, signer: rootKey }
    const ca = await createIntermediateCertificate(parent, caKey.publicKey, {
      subject: 'CN=step issuing',
      pathLength: 1,
    })
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
      return join(folder, name)
    }
    const provisioner = (name: string, template: string): object => ({
      type: 'JWK',
      name,
      key: key.jwk,
      claims: { maxTLSCertDuration: '9000h', disableSmallstepExtensions: true },
      options: { x509: { template } },
    })
    const config = {
      root: file('root.pem', root.toPem()),
      crt: file('ca.pem', ca.toPem()),
      key: file('key.pem', exportPrivateKey(caKey.privateKey())),
      address: `127.0.0.1:${port}`,
      dnsNames: ['localhost'],
      authority: { provisioners: [provisioner('leaves', leafTemplate), provisioner('cas', caTemplate)] },
    }
    const child = spawn(binary, [file('ca.json', JSON.stringify(config))], { stdio: 'ignore' })
    const exit = once(child, 'exit')
    stop = async () => {
      child.kill()
      await exit
    }
    fetcher = createGuardedFetcher({ allowedNetworks: ['127.0.0.0/8'], caCertificates: root.toPem() })
    const isServing = async (): Promise<boolean> =>
      fetcher.fetch(`${origin}/health`).then(
        ({ status }) => status === 200,
        () => false,
      )
    await vi.waitFor(async () => expect(await isServing()).toBe(true), { timeout: 60_000 })
  }, 1_800_000)
  afterAll(async () => {
    await fetcher?.[Symbol.asyncDispose]()
    await stop?.()
  })

  const roots = async (signal?: AbortSignal): Promise<readonly Certificate[]> => {
    const { body } = await fetcher.fetch(`${origin}/roots`, { signal })
    const { crts } = JSON.parse(new TextDecoder().decode(body)) as { readonly crts: readonly string[] }
    return crts.map((pem) => Certificate.fromPem(pem))
  }
  const sign = async (
    provisioner: string,
    csr: CertificateRequest,
    given: {
      subject: string
      names: readonly string[]
      ttlSeconds: number
      signal?: AbortSignal | undefined
    },
  ) => {
    const now = Math.floor(Date.now() / 1000)
    const ott = makeToken(key, {
      ...{ iss: provisioner, aud: `${origin}/1.0/sign`, sub: given.subject, sans: given.names },
      ...{ iat: now, nbf: now, exp: now + 60, jti: randomUUID() },
    })
    const notAfter = new Date((now + given.ttlSeconds) * 1000).toISOString()
    const { status, body } = await fetcher.fetch(`${origin}/1.0/sign`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify({ csr: csr.toPem(), ott, notAfter })),
      signal: given.signal,
    })
    const text = new TextDecoder().decode(body)
    if (status !== 201) throw new Error(`step-ca answered ${status}: ${text}`)
    const { certChain } = JSON.parse(text) as { readonly certChain: readonly string[] }
    const [certificate, ...chain] = certChain.map((pem) => Certificate.fromPem(pem))
    return { certificate: certificate as Certificate, chain, roots: await roots(given.signal) }
  }
  const signer: RemoteSigner = {
    name: 'step-ca',
    roots,
    sign: ({ csr, subjectAltName, ttlSeconds, signal }) => {
      const names = subjectAltName.map((name) => ('value' in name ? String(name.value) : ''))
      return sign('leaves', csr, { subject: names[0] as string, names, ttlSeconds, signal })
    },
  }
  const upstream: UpstreamAuthority = {
    name: 'step-ca',
    roots,
    issueIntermediate: ({ csr, ttlSeconds, signal }) => {
      const subject = csr.subject.toString().replace(/^CN=/, '')
      return sign('cas', csr, { subject, names: [`spiffe://${trustDomain}`], ttlSeconds, signal })
    },
  }

  it('signs what a registration authority decided', async () => {
    const authority = await createRegistrationAuthority({ trustDomain, signer })
    await issueVerified(authority)
    expect(authority.chain).toHaveLength(1)
    expect(authority.roots.map((one) => one.equals(root))).toEqual([true])
  })
  it('certifies our CA, by a template', async () => {
    const rotating = await rotatingBelow(upstream)
    await issueVerified(rotating.authority)
    expect(rotating.authority.chain).toHaveLength(2)
  })
  itKeeps(contracts.RemoteSigner({ open: () => signer, trustDomain }).slice(0, 2))
})
