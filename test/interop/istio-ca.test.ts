// Istio's CA server as the one that signs what our registration authority decided.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createCertificateClient, createIstioSigner } from '../../src/adapters/grpc/index.ts'
import {
  createIntermediateCertificate,
  createRegistrationAuthority,
  createRootCertificate,
} from '../../src/ca/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { code } from '../support/codes.ts'
import { startCounterpart } from '../support/counterpart.ts'
import type { Counterpart } from '../support/counterpart.ts'
import { GoProgram } from '../support/go-program.ts'
import { issueVerified } from '../support/remote-ca.ts'
import { temporaryFolders } from '../support/temporary.ts'

const program = new GoProgram('istio-ca', { isHeavy: true })
const newFolder = temporaryFolders('istio-ca-')
const trustDomain = 'cluster.local'
const web = `spiffe://${trustDomain}/ns/default/sa/web`

interface Facts {
  readonly port: number
  readonly root: string
}

describe.skipIf(!program.isAvailable)("Istio's CA server", () => {
  let binary: string
  beforeAll(async () => {
    binary = await program.build()
  }, 1_800_000)

  const start = async (...folders: readonly string[]): Promise<Counterpart<Facts>> => {
    const istio = await startCounterpart<Facts>(binary, folders, {
      CA_TRUSTED_NODE_ACCOUNTS: 'istio-system/ztunnel',
    })
    onTestFinished(() => istio[Symbol.asyncDispose]())
    return istio
  }
  const forwardingTo = async ({ facts }: Counterpart<Facts>, token: string, impersonate: boolean) => {
    const client = await createCertificateClient({
      address: `localhost:${facts.port}`,
      tls: () => ({ roots: facts.root }),
      token: () => token,
      headers: { clusterid: 'Kubernetes' },
      retry: { attempts: 1 },
    })
    onTestFinished(() => client[Symbol.asyncDispose]())
    const signer = createIstioSigner({ client, roots: [facts.root], impersonate })
    return createRegistrationAuthority({ trustDomain, signer })
  }

  it.each([
    ['of its own', undefined, 0],
    ['plugged in', false, 1],
    ['plugged in, with the root in cert-chain.pem', true, 1],
  ] as const)('signs with a CA %s, and the answer verifies', async (_what, withRoot, length) => {
    const istio = await start(...(withRoot === undefined ? [] : [await pluggedIn(withRoot)]))
    const authority = await forwardingTo(istio, 'node', true)
    const leaf = await issueVerified(authority, { id: web })
    expect(leaf.issuer.equals(authority.certificate.subject)).toBe(true)
    expect(authority.roots.map((root) => root.toPem().trim())).toEqual([istio.facts.root.trim()])
    expect(authority.chain).toHaveLength(length)
  })

  it.each(['RSA-2048', 'P-384'] as const)('signs for a key of %s', async (algorithm) => {
    const authority = await forwardingTo(await start(), 'node', true)
    expect((await issueVerified(authority, { id: web, algorithm })).basicConstraints?.ca).not.toBe(true)
  })

  it('signs for the owner of the token without an impersonation, and for nobody else', async () => {
    const authority = await forwardingTo(await start(), 'workload', false)
    await issueVerified(authority, { id: web })
    const other = `spiffe://${trustDomain}/ns/default/sa/other`
    await expect(issueVerified(authority, { id: other })).rejects.toThrow(code('ERR_CA_REPLY'))
  })

  it.each([
    ['a workload of another node', 'node', `spiffe://${trustDomain}/ns/default/sa/far`],
    ['the token of a workload that is no node', 'workload', web],
    ['a wrong token', 'wrong', web],
  ])('refuses %s', async (_what, token, id) => {
    const authority = await forwardingTo(await start(), token, true)
    await expect(issueVerified(authority, { id })).rejects.toThrow(code('ERR_CA_UNAUTHENTICATED'))
  })

  it('has ended: it cannot be asked', async () => {
    const istio = await start()
    const authority = await forwardingTo(istio, 'node', true)
    await issueVerified(authority, { id: web })
    await istio[Symbol.asyncDispose]()
    await expect(issueVerified(authority, { id: web })).rejects.toThrow(code('ERR_CA_UNAVAILABLE'))
  })
})

/** The files of a plugged-in CA, made by us. */
async function pluggedIn(withRoot: boolean): Promise<string> {
  const folder = newFolder()
  const [rootKey, caKey] = [await SoftwareSigner.generate('P-384'), await SoftwareSigner.generate('P-256')]
  const root = await createRootCertificate(rootKey, { subject: 'O=cluster.local,CN=root' })
  const parent = { certificate: root, signer: rootKey }
  const ca = await createIntermediateCertificate(parent, caKey.publicKey, {
    subject: 'O=cluster.local,CN=istio',
  })
  const files = {
    'root-cert.pem': root.toPem(),
    'ca-cert.pem': ca.toPem(),
    'ca-key.pem': exportPrivateKey(caKey.privateKey()),
    'cert-chain.pem': ca.toPem() + (withRoot ? root.toPem() : ''),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  return folder
}
