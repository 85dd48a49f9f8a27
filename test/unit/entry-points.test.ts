// Whatever takes a certificate or a key takes it in every form: ours, DER, PEM, node:crypto's object,
// @peculiar/x509's.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { TrustBundle, X509Svid, X509SvidValidator } from '../../src/svid/index.ts'
import { verifyPathOrThrow, verifyPath } from '../../src/validation/index.ts'
import {
  OcspCertificateId,
  PublicKey,
  buildCertificate,
  buildCertificateRequest,
} from '../../src/x509/index.ts'
import type { Certificate, CertificateInput } from '../../src/x509/index.ts'
import type { PublicKeyInput } from '../../src/x509/internal.ts'

const trustDomain = 'example.org'
const rootKey = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(rootKey, { subject: 'CN=root', trustDomain })
const signer = await SoftwareSigner.generate('P-256')
const ca = await createIntermediateCertificate({ certificate: root, signer: rootKey }, signer.publicKey, {
  subject: 'CN=ca',
  trustDomain,
})
const workload = await SoftwareSigner.generate('P-256')
const csr = await buildCertificateRequest({ subject: 'CN=web' }, workload)
const caller = { identities: [SpiffeId.parse('spiffe://example.org/web')], credential: 'test', claims: {} }
const authority = createCertificateAuthority({ trustDomain, certificate: ca, signer, roots: [root] })
const issuance = createIssuanceService({ authority })
const { certificate: leaf } = await issuance.issue({ csr }, caller)

type Forms = Readonly<Record<string, (certificate: Certificate) => CertificateInput>>
const forms: Forms = {
  ours: (certificate) => certificate,
  DER: ({ der }) => Buffer.from(der),
  PEM: (certificate) => certificate.toPem(),
  'node:crypto': (certificate) => certificate.toNode(),
  '@peculiar/x509': (certificate) => certificate.toPeculiar(),
}

describe.each(Object.entries(forms))('%s', (_name, form) => {
  const [aLeaf, aCa, aRoot] = [form(leaf), form(ca), form(root)]
  const bundle = new TrustBundle(trustDomain, { x509Authorities: [aRoot] })

  it('is taken by verifyPath, verifyPathOrThrow, X509Svid and validators', () => {
    expect(verifyPath(aLeaf, { anchors: [aRoot], intermediates: [aCa], profile: 'spiffe' }).ok).toBe(true)
    expect(
      verifyPathOrThrow(aLeaf, { anchors: [aRoot], intermediates: [aCa] }).path.certificates,
    ).toHaveLength(3)
    expect(new X509SvidValidator({ bundles: bundle }).verify([aLeaf, aCa]).ok).toBe(true)
    expect(new X509Svid([aLeaf, aCa]).id.toString()).toBe('spiffe://example.org/web')
  })

  it('is taken by a CA, also when it rotates', async () => {
    const made = createCertificateAuthority({
      trustDomain,
      certificate: aCa,
      signer,
      chain: [],
      roots: [aRoot],
    })
    await made.rotate({ certificate: aCa, signer, roots: [aRoot] })
    expect([made.certificate.equals(ca), made.roots[0]?.equals(root), made.chain[0]?.equals(ca)]).toEqual([
      true,
      true,
      true,
    ])
    expect(
      (await createIssuanceService({ authority: made }).issue({ csr }, caller)).roots[0]?.equals(root),
    ).toBe(true)
    expect(
      createCertificateAuthority({ trustDomain, certificate: aRoot, signer: rootKey }).roots[0]?.equals(root),
    ).toBe(true)
  })

  it('is taken by those who make certificates of CAs', async () => {
    const parent = { certificate: aRoot, signer: rootKey }
    expect(
      (await createIntermediateCertificate(parent, workload.publicKey, { subject: 'CN=x' })).issuer.equals(
        root.subject,
      ),
    ).toBe(true)
    expect((await createCrossCertificate(parent, aCa)).publicKey.equals(ca.publicKey)).toBe(true)
  })

  it('is taken by OcspCertificateId', () => {
    expect(OcspCertificateId.of(aLeaf, aCa).identifies(leaf, ca)).toBe(true)
  })
})

describe.each<readonly [string, () => PublicKeyInput]>([
  ['ours', () => workload.publicKey],
  ['SPKI DER', () => Buffer.from(workload.publicKey.spki)],
  ['PEM', () => workload.publicKey.keyObject().export({ type: 'spki', format: 'pem' }).toString()],
  ['node:crypto', () => workload.publicKey.keyObject()],
  ['node:crypto, the private one', () => workload.privateKey()],
  ['@peculiar/x509', () => leaf.toPeculiar().publicKey],
])('a key: %s', (_name, key) => {
  it('is taken by PublicKey, buildCertificate and createIntermediateCertificate', async () => {
    expect(PublicKey.from(key()).equals(workload.publicKey)).toBe(true)
    const built = await buildCertificate(
      { issuer: 'CN=a', subject: 'CN=a', publicKey: key(), notBefore: new Date(0), notAfter: new Date(1000) },
      workload,
    )
    const below = await createIntermediateCertificate({ certificate: root, signer: rootKey }, key(), {
      subject: 'CN=x',
    })
    for (const one of [built, below]) expect(one.publicKey.equals(workload.publicKey)).toBe(true)
  })
})

it.each([
  ['ours', csr],
  ['DER', csr.der],
  ['PEM', csr.toPem()],
  ['@peculiar/x509', csr.toPeculiar()],
])('a request: %s is taken by issuance', async (_name, request) => {
  expect(
    (await issuance.issue({ csr: request }, caller)).certificate.publicKey.equals(workload.publicKey),
  ).toBe(true)
  expect((await issuance.plan({ csr: request }, caller)).rule).toBe('caller-identity')
})
