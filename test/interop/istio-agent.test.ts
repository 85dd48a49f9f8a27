// Istio's agent (pilot-agent) with our CA: it gets a certificate for the token of its pod, writes it into
// files, and renews it before half of a minute is over.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Certificate, generalName } from '../../src/x509/index.ts'
import { X509SvidValidator } from '../../src/svid/index.ts'
import { freePort } from '../support/free-port.ts'
import { GoProgram } from '../support/go-program.ts'
import { serviceAccountToken, startIstiodLike } from '../support/istiod-like.ts'
import type { IstiodLike } from '../support/istiod-like.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const newFolder = temporaryFolders('istio-agent-')

describe.skipIf(!requires('go'))("Istio's agent", () => {
  let istiod: IstiodLike
  let agent: ChildProcess
  let folder: string
  let log = ''

  beforeAll(async () => {
    folder = newFolder()
    const binary = await new GoProgram('istio-agent', {
      target: 'istio.io/istio/pilot/cmd/pilot-agent',
    }).build()
    istiod = await startIstiodLike()
    // The agent reads these paths from its working directory.
    for (const path of ['tokens', 'istio'])
      mkdirSync(join(folder, 'var/run/secrets', path), { recursive: true })
    for (const path of ['out', 'etc/istio/proxy', 'etc/istio/pod'])
      mkdirSync(join(folder, path), { recursive: true })
    writeFileSync(join(folder, 'var/run/secrets/tokens/istio-token'), serviceAccountToken())
    writeFileSync(join(folder, 'var/run/secrets/istio/root-cert.pem'), istiod.root.toPem())
    const address = `localhost:${istiod.server.port}`
    agent = spawn(binary, ['proxy', 'sidecar', '--domain', 'default.svc.cluster.local'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        DISABLE_ENVOY: 'true',
        CA_ADDR: address,
        POD_NAME: 'web-0',
        POD_NAMESPACE: 'default',
        SERVICE_ACCOUNT: 'web',
        INSTANCE_IP: '127.0.0.1',
        TRUST_DOMAIN: 'cluster.local',
        ISTIO_META_CLUSTER_ID: 'Kubernetes',
        SECRET_TTL: '20s',
        ECC_SIGNATURE_ALGORITHM: 'ECDSA',
        OUTPUT_CERTS: join(folder, 'out'),
        PROXY_CONFIG: JSON.stringify({
          discoveryAddress: address,
          statusPort: await freePort(),
          concurrency: 1,
        }),
      },
    })
    for (const stream of [agent.stdout, agent.stderr]) stream?.on('data', (data) => (log += String(data)))
  }, 900_000)

  afterAll(async () => {
    agent?.kill('SIGKILL')
    await istiod?.[Symbol.asyncDispose]()
  })

  const written = (): Certificate[] =>
    Certificate.listFromPem(readFileSync(join(folder, 'out/cert-chain.pem'), 'utf8'))

  it('gets a certificate that our validator accepts, and a newer one in time', async () => {
    // Leaf, CA and root.
    await expect.poll(() => written().length, { timeout: 60_000 }).toBe(3)
    const [leaf, ca] = written() as [Certificate, Certificate]
    expect(leaf.subjectAltName).toEqual([generalName.uri('spiffe://cluster.local/ns/default/sa/web')])
    expect(new X509SvidValidator({ bundles: istiod.bundles }).verify([leaf, ca]).ok).toBe(true)
    await expect.poll(() => written()[0]?.serialNumber, { timeout: 60_000 }).not.toBe(leaf.serialNumber)
    expect(written()[0]?.publicKey.equals(leaf.publicKey)).toBe(false)
    expect(log).toContain('generated new workload certificate')
  }, 150_000)
})
