// For tests with a CA of other people above ours, or behind ours: what they issue is verified as relying
// parties do.

import { expect, onTestFinished } from 'vitest'
import { createMemoryStorage, createRotatingAuthority } from '../../src/ca/index.ts'
import type { CertificateAuthority, UpstreamAuthority } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { MemoryKeyManager, SoftwareSigner } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { X509SvidValidator } from '../../src/svid/index.ts'
import { buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import type { Certificate, CertificateRequest } from '../../src/x509/index.ts'
import { callerOf, workloadId } from './pki.ts'

/** A CA of `example.org` below it. */
export async function rotatingBelow(
  upstream: UpstreamAuthority,
): Promise<Awaited<ReturnType<typeof createRotatingAuthority>>> {
  const rotating = await createRotatingAuthority({
    trustDomain: 'example.org',
    upstream,
    storage: createMemoryStorage(),
    keys: new MemoryKeyManager(),
    automatic: false,
  })
  onTestFinished(() => rotating[Symbol.asyncDispose]())
  return rotating
}

/** A request that asks for one identity. */
export async function requestFor(
  id: string = workloadId.toString(),
  algorithm: KeyAlgorithm = 'P-256',
): Promise<CertificateRequest> {
  const extensions = { subjectAltName: [generalName.uri(id)] }
  return buildCertificateRequest({ extensions }, await SoftwareSigner.generate(algorithm))
}

/** A request for a CA certificate. */
export async function caRequest(): Promise<CertificateRequest> {
  return buildCertificateRequest({ subject: 'CN=ours' }, await SoftwareSigner.generate('P-256'))
}

/**
 * A leaf by the whole service: its chain must validate with the bundle of the authority, with this identity.
 */
export async function issueVerified(
  authority: CertificateAuthority,
  options: { readonly id?: string; readonly algorithm?: KeyAlgorithm } = {},
): Promise<Certificate> {
  const { id = workloadId.toString(), algorithm = 'P-256' } = options
  const policy = callerIdentityPolicy({ trustDomain: authority.trustDomain, mayHaveName: () => true })
  await using service = createIssuanceService({ authority, policy })
  const csr = await requestFor(id, algorithm)
  const { certificate, chain } = await service.issue({ csr, ttlSeconds: 600 }, callerOf(id))
  const verdict = new X509SvidValidator({ bundles: authority }).verify([certificate, ...chain], { id })
  expect(verdict.ok || verdict.rejected[0]?.message).toBe(true)
  expect(certificate.publicKey.equals(csr.publicKey)).toBe(true)
  return certificate
}
