// Quick start: create a CA, issue a certificate for a request, and verify it.

import {
  MemoryKeyManager,
  SoftwareSigner,
  SpiffeId,
  X509SvidValidator,
  buildCertificateRequest,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'

// 1. A certificate authority for the trust domain example.org, its key in memory.
const keys = new MemoryKeyManager()
const caKey = await keys.generateKey('root', 'P-256')
const root = await createRootCertificate(caKey, {
  subject: 'CN=example.org root',
  trustDomain: 'example.org',
})
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer: caKey })
const issuance = createIssuanceService({ authority })

// 2. A workload generates a key and a request. The private key is never sent.
const workloadKey = await SoftwareSigner.generate('P-256')
const csr = await buildCertificateRequest({}, workloadKey)

// 3. The identity comes from the authentication of the caller, never from the request.
const caller = {
  identities: [SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')],
  credential: 'example',
  claims: {},
}
const { certificate, chain } = await issuance.issue({ csr, ttlSeconds: 3600 }, caller)
console.log(certificate.toPem())

// 4. A peer verifies the chain with its trust bundle, and compares the SPIFFE ID.
const validator = new X509SvidValidator({ bundles: authority.trustBundle() })
const verdict = validator.verify([certificate, ...chain], { id: 'spiffe://example.org/ns/prod/sa/api' })
console.log(verdict.ok ? `trusted: ${verdict.id}` : verdict.rejected)
