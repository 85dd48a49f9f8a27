// Istio's own CA client (citadel) against our certificate service, with a service account token and with a
// certificate, and Istio's verifiers on what it gets.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import { Certificate, buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import { GoProgram } from '../support/go-program.ts'
import { serviceAccountToken, startIstiodLike } from '../support/istiod-like.ts'
import type { IstiodLike } from '../support/istiod-like.ts'
import { callerOf } from '../support/pki.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const host = 'spiffe://cluster.local/ns/default/sa/web'
const newFolder = temporaryFolders('istio-client-')

describe.skipIf(!requires('go'))("Istio's CA client", () => {
  let istiod: IstiodLike
  let binary: string
  let folder: string
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  beforeAll(async () => {
    folder = newFolder()
    binary = await new GoProgram('istio-client').build()
    istiod = await startIstiodLike()
    file('root.pem', istiod.root.toPem())
  }, 600_000)

  afterAll(() => istiod?.[Symbol.asyncDispose]())

  const ask = async (...own: readonly string[]): Promise<{ chain?: string[]; error?: string }> => {
    const address = `localhost:${istiod.server.port}`
    const args = [address, join(folder, 'root.pem'), join(folder, 'token'), host, ...own]
    const { stdout } = await promisify(execFile)(binary, args, { timeout: 60_000 })
    return JSON.parse(stdout.trim().split('\n').at(-1) as string) as { chain?: string[]; error?: string }
  }

  it('gets a certificate for its token, and its verifiers accept the answer', async () => {
    file('token', serviceAccountToken())
    const { chain = [], error } = await ask()
    expect(error).toBeUndefined()
    expect(chain).toHaveLength(3)
    const [leaf] = chain.map((pem) => Certificate.fromPem(pem))
    expect(leaf?.subjectAltName).toEqual([generalName.uri(host)])
  })

  it.each([
    ['another audience', { aud: ['vault'] }],
    ['an expired token', { exp: Math.floor(Date.now() / 1000) - 600 }],
    ['another issuer', { iss: 'https://other.example' }],
  ])('is refused for %s, in a code that it does not retry', async (_what, extra) => {
    file('token', serviceAccountToken(extra))
    expect((await ask()).error).toContain('Unauthenticated')
  })

  it('is refused another identity than that of its token', async () => {
    file('token', serviceAccountToken({ sub: 'system:serviceaccount:default:other' }))
    expect((await ask()).error).toMatch(/PermissionDenied|Unauthenticated|InvalidArgument/)
  })

  it('renews with a certificate and its key', async () => {
    const ownKey = await SoftwareSigner.generate('P-256')
    const csr = await buildCertificateRequest({}, ownKey)
    const { certificate, chain } = await istiod.issuance.issue({ csr }, callerOf(host))
    const certificates = file('cert-chain.pem', [certificate, ...chain].map((one) => one.toPem()).join(''))
    const renewed = await ask(certificates, file('key.pem', exportPrivateKey(ownKey.privateKey())))
    expect(renewed.error).toBeUndefined()
    expect(renewed.chain).toHaveLength(3)
  })
})
