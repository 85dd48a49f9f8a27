// A root that stays offline, an intermediate that signs, and the chain that workloads send.

import { MemoryKeyManager, createCertificateAuthority, createIntermediateCertificate, createIssuanceService, createRootCertificate, SoftwareSigner, SpiffeId, buildCertificateRequest, createPathValidator } from 'spiffe-pki'

const keys = new MemoryKeyManager()
const rootKey = await keys.generateKey('root', 'P-384')
const root = await createRootCertificate(rootKey, { subject: 'CN=example.org root,O=Example', trustDomain: 'example.org', pathLength: 1 })

const signingKey = await keys.generateKey('intermediate-2026', 'P-256')
const intermediate = await createIntermediateCertificate({ certificate: root, signer: rootKey }, signingKey.publicKey, {
  subject: 'CN=example.org intermediate 2026,O=Example', trustDomain: 'example.org', ttlSeconds: 180 * 24 * 3600,
})
await keys.destroyKey('root') // signed what it had to; in earnest it is in a token in a safe

const issuance = createIssuanceService({ authority: createCertificateAuthority({ trustDomain: 'example.org', certificate: intermediate, signer: signingKey, roots: [root] }) })
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('Ed25519'))
const { certificate, chain, roots } = await issuance.issue({ csr }, { identities: [SpiffeId.parse('spiffe://example.org/db')], credential: 'example', claims: {} })
console.log('a workload sends', [certificate, ...chain].map(({ subjectAltName, subject }) => (subject.isEmpty ? JSON.stringify(subjectAltName) : subject.toString())))

const verdict = createPathValidator({ anchors: roots, profile: 'spiffe' }).verify(certificate, { intermediates: chain })
if (!verdict.ok) throw new Error('the chain should verify')
console.log('its path is', verdict.path.certificates.map((one) => one.subject.toString() || 'the leaf'))
