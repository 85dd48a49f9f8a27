// A trust domain with workloads whose SVIDs and roots rotate on demand, for the servers and clients of
// secrets.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import type { CertificateAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import type { IssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import type { IssuancePolicy } from '../../src/policy/index.ts'
import { createWorkloadSecrets, createX509Source, localCaClient } from '../../src/secrets/index.ts'
import type { X509Source } from '../../src/secrets/index.ts'
import type { WorkloadSecrets, WorkloadSecretsOptions } from '../../src/secrets/workload-secrets.ts'
import { TrustBundle, TrustBundleSet } from '../../src/svid/index.ts'
import { buildCertificateRequest } from '../../src/x509/index.ts'
import type { Certificate, Crl } from '../../src/x509/index.ts'
import { callerOf } from './pki.ts'

export const meshId = 'spiffe://example.org/ns/prod/sa/api'

export interface Mesh extends AsyncDisposable {
  readonly authority: CertificateAuthority
  readonly issuance: IssuanceService
  readonly bundles: TrustBundleSet
  readonly sources: readonly X509Source[]
  readonly secrets: WorkloadSecrets
  /** What `secrets` has; call `secrets.update()` after a change. */
  crls: readonly Crl[]
  /** An address for a socket in a directory of its own. */
  readonly address: string
  credentialsOf(id: string): Promise<{ cert: string; key: string; certificate: Certificate }>
  /** Adds a root to the bundle, signs with it, renews every SVID, and then takes the old roots out. */
  rotateRoot(between?: () => Promise<void>): Promise<void>
}

export async function newRoot(
  trustDomain: string,
): Promise<{ signer: SoftwareSigner; certificate: Certificate }> {
  const signer = await SoftwareSigner.generate('P-256')
  return { signer, certificate: await createRootCertificate(signer, { subject: 'CN=root', trustDomain }) }
}

export async function openMesh(
  ids: readonly string[] = [meshId],
  {
    policy,
    dnsNames,
    ...options
  }: Partial<WorkloadSecretsOptions> & {
    /** Of the CA. */
    readonly policy?: IssuancePolicy
    /** What each source asks for. */
    readonly dnsNames?: readonly string[]
  } = {},
): Promise<Mesh> {
  const directory = mkdtempSync(join(tmpdir(), 'mesh-'))
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    ...(await newRoot('example.org')),
  })
  const issuance = createIssuanceService({ authority, ...(policy && { policy }) })
  const bundles = new TrustBundleSet([authority.trustBundle()])
  const sources = ids.map((id) =>
    createX509Source({ ca: localCaClient(issuance, callerOf(id)), id, bundles, dnsNames }),
  )
  await Promise.all(sources.map((source) => source.ready()))
  const held: { crls: readonly Crl[] } = { crls: [] }
  const secrets = createWorkloadSecrets({ sources, bundles, crls: () => held.crls, ...options })
  return {
    authority,
    issuance,
    bundles,
    sources,
    secrets,
    get crls() {
      return held.crls
    },
    set crls(crls) {
      held.crls = crls
    },
    address: `unix://${join(directory, 'socket')}`,
    credentialsOf: async (id) => {
      const signer = await SoftwareSigner.generate('P-256')
      const { certificate, chain } = await issuance.issue(
        { csr: await buildCertificateRequest({}, signer) },
        callerOf(id),
      )
      return {
        certificate,
        cert: [certificate, ...chain].map((one) => one.toPem()).join(''),
        key: exportPrivateKey(signer.privateKey()),
      }
    },
    rotateRoot: async (between = async () => undefined) => {
      const next = await newRoot('example.org')
      const both = [...authority.roots, next.certificate]
      bundles.set(new TrustBundle('example.org', { x509Authorities: both }))
      await between()
      await authority.rotate({ ...next, roots: both })
      await Promise.all(sources.map((source) => source.renew()))
      await between()
      await authority.rotate({ ...next, roots: [next.certificate] })
      bundles.set(authority.trustBundle())
    },
    [Symbol.asyncDispose]: async () => {
      await secrets[Symbol.asyncDispose]()
      await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()))
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
