// npm start -- --mesh: a CA, an agent beside each of two services, and two real Envoys that talk mutual TLS
// with what their agents give them, while certificates and the root change under the traffic.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SoftwareSigner, SpiffeId, createCertificateAuthority, createIssuanceService } from 'spiffe-pki'
import { createRootCertificate } from 'spiffe-pki'
import { localCaClient } from 'spiffe-pki/secrets'
import { createAgent } from 'spiffe-pki/service'
import { TrustBundle, TrustBundleSet } from 'spiffe-pki/svid'
import type { Crl } from 'spiffe-pki/x509'
import { findEnvoy, howToGetEnvoy, startEnvoy } from './envoy.ts'
import { step } from './story.ts'
import { startTraffic } from './traffic.ts'

const trustDomain = 'example.org'
const web = `spiffe://${trustDomain}/ns/shop/sa/web`
const payments = `spiffe://${trustDomain}/ns/shop/sa/payments`

/** Runs the story once. `ttlSeconds` is how long each certificate lives. */
export async function runMesh(ttlSeconds: number): Promise<void> {
  const program = findEnvoy()
  if (program === undefined) {
    console.error(howToGetEnvoy)
    process.exitCode = 1
    return
  }
  const directory = mkdtempSync(join(tmpdir(), 'mesh-'))
  try {
    await tell(program, directory, ttlSeconds)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function tell(program: string, directory: string, ttlSeconds: number): Promise<void> {
  let root = await newRoot(1)
  const authority = createCertificateAuthority({ trustDomain, ...root })
  const issuance = createIssuanceService({ authority })
  const bundles = new TrustBundleSet([authority.trustBundle()])
  let crls: readonly Crl[] = []
  step(`A CA for the trust domain ${trustDomain}`, [
    'everybody trusts its root; its certificates live ' +
      `${ttlSeconds} seconds, so that you can watch them change`,
  ])

  // What an Envoy answers when it uses what it was sent.
  let acknowledged = 0
  const count = (_name: string, labels?: Readonly<Record<string, string>>): void => {
    if (labels?.['kind'] === 'ack') acknowledged++
  }
  const nothing = (): void => undefined
  /** Makes a change that both agents send on, and waits until both Envoys use it. */
  const everywhere = async (change: () => unknown): Promise<void> => {
    const wanted = acknowledged + 2
    await change()
    while (acknowledged < wanted) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const agentOf = async (name: string, id: string) => {
    mkdirSync(join(directory, name))
    const caller = { identities: [SpiffeId.parse(id)], credential: 'mesh', claims: {} }
    return createAgent({
      ca: localCaClient(issuance, caller),
      ...{ id, bundles, ttlSeconds, crls: () => crls },
      metrics: { count, gauge: nothing, observe: nothing },
      sds: { address: `unix://${join(directory, name, 'sds.sock')}` },
    })
  }
  await using webAgent = await agentOf('web', web)
  await using paymentsAgent = await agentOf('payments', payments)
  await Promise.all([webAgent.ready(), paymentsAgent.ready()])
  step('An agent beside each service: it makes keys, asks the CA, and hands the certificates to Envoy', [
    `"web" is ${web}`,
    `"payments" is ${payments}`,
  ])

  const app = createServer((request, response) => {
    response.end(`hello, ${/URI=([^;,]*)/.exec(String(request.headers['x-forwarded-client-cert']))?.[1]}`)
  })
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', () => resolve()))
  const appPort = (app.address() as AddressInfo).port
  const envoyOf = (name: string, side: Parameters<typeof startEnvoy>[1]['side']) =>
    startEnvoy(program, {
      directory: join(directory, name),
      socket: join(directory, name, 'sds.sock'),
      side,
    })
  try {
    await using server = await envoyOf('payments', { kind: 'server', allow: web, appPort })
    await using client = await envoyOf('web', { kind: 'client', expect: payments, serverPort: server.port })
    step('Two Envoys, started without a single certificate file: each asked its agent (SDS)', [
      `HTTP on 127.0.0.1:${client.port} → Envoy of "web" → mutual TLS → Envoy of "payments" → the service`,
      `try it while this runs: curl http://127.0.0.1:${client.port}/`,
    ])
    await using traffic = await startTraffic(`http://127.0.0.1:${client.port}/`)
    await traffic.more(5)
    step('Traffic: a request every 50 ms, each on a connection of its own', [
      `the service answered: ${traffic.lastAnswer}`,
      'Envoy told it who called; it checked the certificate',
    ])

    const before = webAgent.source.current.svid.leaf.serialNumber
    const renewed = [webAgent, paymentsAgent].map(
      (agent) => new Promise<void>((resolve) => void agent.source.onChange(() => resolve())),
    )
    await Promise.all(renewed)
    await traffic.more(10)
    step(`Rotation: after half of ${ttlSeconds} s both agents got new certificates, with new keys`, [
      `"web" had the serial number ${before.slice(0, 8)}…, and has ` +
        `${webAgent.source.current.svid.leaf.serialNumber.slice(0, 8)}…; nothing was restarted`,
      traffic.summary(),
    ])

    const next = await newRoot(2)
    const both = [...authority.roots, next.certificate]
    await everywhere(() => bundles.set(new TrustBundle(trustDomain, { x509Authorities: both })))
    await traffic.more(20)
    step('Root rotation, first act: everybody trusts the old root and the new one', [traffic.summary()])
    await authority.rotate({ ...next, roots: both })
    await everywhere(() => Promise.all([webAgent.source.renew(), paymentsAgent.source.renew()]))
    await traffic.more(20)
    step('Second act: the CA signs with the new root, and every agent has a certificate below it', [
      traffic.summary(),
    ])
    await authority.rotate({ ...next, roots: [next.certificate] })
    bundles.set(authority.trustBundle())
    root = next
    await traffic.more(20)
    step('Third act: the old root is taken out; nobody needs it any more', [
      `${root.certificate.subject.toString()} is the root now`,
      traffic.summary(),
    ])

    const failedBefore = traffic.failed
    const { serialNumber } = webAgent.source.current.svid.leaf
    const caller = { identities: [SpiffeId.parse(web)], credential: 'mesh', claims: {} }
    await issuance.revoke(serialNumber, 'keyCompromise', caller)
    crls = await authority.issueCrls()
    const revokedAt = performance.now()
    paymentsAgent.update()
    await traffic.untilRefused()
    const refusedMs = Math.round(performance.now() - revokedAt)
    step('Revocation: the key of "web" is said to be stolen; the CA revokes its certificate', [
      `the new revocation list reached the Envoy of "payments", which refused "web" after ${refusedMs} ms`,
      `requests that failed before: ${failedBefore}`,
    ])
    await webAgent.source.renew()
    await traffic.untilServed()
    await traffic.more(10)
    step('Recovery: "web" gets a new key and a new certificate, and is served again', [
      `the service answered: ${traffic.lastAnswer}`,
    ])
    console.log(
      `\nDone. ${traffic.answered} requests were answered; ${failedBefore} failed while certificates and ` +
        'the root changed. Next: examples/08-envoy-sidecar.ts, docs/guides/agent.md.',
    )
  } finally {
    app.closeAllConnections()
    app.close()
  }
}

async function newRoot(number: number) {
  const signer = await SoftwareSigner.generate('P-256')
  const subject = `CN=Mesh root ${number}`
  return { signer, certificate: await createRootCertificate(signer, { subject, trustDomain }) }
}
