// Quick start: a CA, a request, a certificate, and a check that it is whose it says it is.

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

// 2. A workload makes a key and a request: its private key stays where it is.
const workloadKey = await SoftwareSigner.generate('P-256')
const csr = await buildCertificateRequest({}, workloadKey)

// 3. Whoever authenticated the caller says who it is; the request cannot.
const caller = {
  identities: [SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')],
  credential: 'example',
  claims: {},
}
const { certificate, chain } = await issuance.issue({ csr, ttlSeconds: 3600 }, caller)
console.log(certificate.toPem())

// 4. A peer checks it against the trust bundle, and that it is the one it wants to talk to.
const validator = new X509SvidValidator({ bundles: authority.trustBundle() })
const verdict = validator.verify([certificate, ...chain], { id: 'spiffe://example.org/ns/prod/sa/api' })
console.log(verdict.ok ? `trusted: ${verdict.id}` : verdict.rejected)
