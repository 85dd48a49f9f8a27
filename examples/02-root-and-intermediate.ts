// A root that stays offline, an intermediate that signs, and the chain that workloads send.

import {
  MemoryKeyManager,
  SoftwareSigner,
  SpiffeId,
  buildCertificateRequest,
  createCertificateAuthority,
  createIntermediateCertificate,
  createIssuanceService,
  createPathValidator,
  createRootCertificate,
} from 'spiffe-pki'

const trustDomain = 'example.org'
const keys = new MemoryKeyManager()
const rootKey = await keys.generateKey('root', 'P-384')
const root = await createRootCertificate(rootKey, {
  subject: 'CN=example.org root,O=Example',
  trustDomain,
  pathLength: 1,
})

const signingKey = await keys.generateKey('intermediate-2026', 'P-256')
const intermediate = await createIntermediateCertificate(
  { certificate: root, signer: rootKey },
  signingKey.publicKey,
  {
    subject: 'CN=example.org intermediate 2026,O=Example',
    trustDomain,
    ttlSeconds: 180 * 24 * 3600,
  },
)
await keys.destroyKey('root') // signed what it had to; in earnest it is in a token in a safe

const authority = createCertificateAuthority({
  trustDomain,
  certificate: intermediate,
  signer: signingKey,
  roots: [root],
})
const issuance = createIssuanceService({ authority })
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('Ed25519'))
const caller = { identities: [SpiffeId.parse('spiffe://example.org/db')], credential: 'example', claims: {} }
const { certificate, chain, roots } = await issuance.issue({ csr }, caller)
console.log(
  'a workload sends',
  [certificate, ...chain].map(({ subject }) => subject.toString() || 'its own certificate'),
)

const verdict = createPathValidator({ anchors: roots, profile: 'spiffe' }).verify(certificate, {
  intermediates: chain,
})
if (!verdict.ok) throw new Error('the chain should verify')
console.log(
  'its path is',
  verdict.path.certificates.map(({ subject }) => subject.toString() || 'the leaf'),
)
