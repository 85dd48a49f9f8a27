// A small PKI for tests: a root, issuance, callers, requests.

import { createCertificateAuthority, createMemoryStorage, createRootCertificate } from '../../src/ca/index.ts'
import type { CertificateAuthority, CertificateStore } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import type { IssuanceService } from '../../src/issuance/index.ts'
import type { IssuanceServiceOptions } from '../../src/issuance/issuance-service-options.ts'
import { SoftwareSigner, exportPrivateKey } from '../../src/keys/index.ts'
import type { KeyAlgorithm } from '../../src/keys/index.ts'
import { callerIdentityPolicy } from '../../src/policy/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { buildCertificateRequest, generalName } from '../../src/x509/index.ts'
import type { Certificate, CertificateRequest } from '../../src/x509/index.ts'
import type { Caller } from '../../src/auth/index.ts'

/** Everything that a test needs of a CA. */
export interface TestPki {
  readonly signer: SoftwareSigner
  readonly root: Certificate
  readonly authority: CertificateAuthority
  readonly issuance: IssuanceService
}

export const workloadId: SpiffeId = SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')

export function callerOf(...ids: readonly string[]): Caller {
  return {
    identities: (ids.length === 0 ? [workloadId] : ids).map((id) => SpiffeId.from(id)),
    credential: 'test',
    claims: {},
  }
}

/** `localhost` may be asked for by everybody: servers of tests are reached by it. */
export async function testPki(
  algorithm: KeyAlgorithm = 'P-256',
  { store, ...options }: Partial<IssuanceServiceOptions> & { readonly store?: CertificateStore } = {},
): Promise<TestPki> {
  const signer = await SoftwareSigner.generate(algorithm)
  const root = await createRootCertificate(signer, { subject: 'CN=test root', trustDomain: 'example.org' })
  const storage = createMemoryStorage()
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: root,
    signer,
    storage: store === undefined ? storage : { ...storage, certificates: store },
  })
  const policy = callerIdentityPolicy({
    trustDomain: authority.trustDomain,
    mayHaveName: (name) => name.type === 'dns' && name.value === 'localhost',
  })
  return { signer, root, authority, issuance: createIssuanceService({ authority, policy, ...options }) }
}

export async function newRequest(
  algorithm: KeyAlgorithm = 'P-256',
  extra: Parameters<typeof buildCertificateRequest>[0] = {},
): Promise<{ signer: SoftwareSigner; request: CertificateRequest }> {
  const signer = await SoftwareSigner.generate(algorithm)
  return { signer, request: await buildCertificateRequest(extra, signer) }
}

/** A TLS credential with the name localhost. */
export async function tlsCredential(
  pki: TestPki,
  id: SpiffeId = workloadId,
): Promise<{ certificateChain: string; privateKey: string; certificate: Certificate }> {
  const { signer, request } = await newRequest('P-256', {
    extensions: { subjectAltName: [generalName.uri(id.toString()), generalName.dns('localhost')] },
  })
  const { certificate, chain } = await pki.issuance.issue({ csr: request }, callerOf(id.toString()))
  return {
    certificateChain: [certificate, ...chain].map((one) => one.toPem()).join(''),
    privateKey: exportPrivateKey(signer.privateKey()),
    certificate,
  }
}
