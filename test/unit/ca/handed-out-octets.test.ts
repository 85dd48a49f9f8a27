// Whoever writes into the octets that a CA hands out changes nothing that the CA decides with or issues.

import { expect, it } from 'vitest'
import { createCertificateAuthority, createRootCertificate } from '../../../src/ca/index.ts'
import type { CertificateAuthority, IssuedCertificate } from '../../../src/ca/index.ts'
import { keyIdentifierOf } from '../../../src/ca/internal.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { verifyPath } from '../../../src/validation/index.ts'
import { Certificate, Crl, buildCertificate, generalName } from '../../../src/x509/index.ts'
import { newRequest } from '../../support/pki.ts'

const trustDomain = 'example.org'

interface Opened {
  readonly authority: CertificateAuthority
  readonly root: Certificate
  readonly ca: Certificate
}

/** A CA below a root, with copies of both certificates that it has never had. */
async function open(): Promise<Opened> {
  const rootSigner = await SoftwareSigner.generate('P-256')
  const signer = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(rootSigner, { subject: 'CN=root', trustDomain })
  const certificate = await buildCertificate(
    {
      issuer: root.subject,
      subject: 'CN=ca',
      publicKey: signer.publicKey,
      notBefore: root.notBefore,
      notAfter: root.notAfter,
      extensions: {
        basicConstraints: { ca: true, pathLength: 0 },
        keyUsage: ['keyCertSign', 'cRLSign'],
        subjectKeyIdentifier: signer.publicKey,
        authorityKeyIdentifier: rootSigner.publicKey.keyIdentifier,
        subjectAltName: [generalName.uri(`spiffe://${trustDomain}`)],
      },
    },
    rootSigner,
  )
  const authority = createCertificateAuthority({ trustDomain, certificate, signer, roots: [root] })
  const copy = (one: Certificate): Certificate => Certificate.parse(Uint8Array.from(one.der))
  return { authority, root: copy(root), ca: copy(certificate) }
}

async function issueFrom({ authority }: Opened): Promise<IssuedCertificate> {
  const { request } = await newRequest()
  const content = { subjectAltName: [generalName.uri(`spiffe://${trustDomain}/a`)] }
  return authority.sign(await authority.prepare(request, content))
}

const write = (...given: readonly (Certificate | readonly Certificate[] | undefined)[]): void => {
  for (const one of given.flat()) {
    one?.der.fill(0xa5)
    for (const part of [one?.tbs, one?.signature, one?.serialNumberBytes, one?.subject.der]) part?.fill(0xa5)
  }
}

it('writing into what a CA hands out changes neither what it issues nor what it trusts', async () => {
  const opened = await open()
  const { authority, root, ca } = opened
  for (let round = 0; round < 3; round++) {
    const { certificate, chain, roots } = await issueFrom(opened)
    const verdict = verifyPath(certificate, { anchors: [root], intermediates: [ca] })
    expect(verdict.ok, `round ${round}`).toBe(true)
    expect(certificate.issuer.toString()).toBe('CN=ca')
    write(certificate, chain, roots, authority.certificate, authority.chain, authority.roots)
    write(authority.chainOf?.(keyIdentifierOf(ca.subjectKeyIdentifier as Uint8Array)))
    expect((await authority.issueCrl()).verifySignatureBy(ca.publicKey)).toBe(true)
  }
  const [trusted] = authority.trustBundle().x509Authorities
  expect(Buffer.compare(trusted!.der, root.der)).toBe(0)
  const { certificate } = await issueFrom(opened)
  expect(
    verifyPath(certificate, { anchors: [...authority.trustBundle().x509Authorities], intermediates: [ca] })
      .ok,
  ).toBe(true)
  expect((await authority.issueCrl()).verifySignatureBy(ca.publicKey)).toBe(true)
})

it('writing into what one caller got changes nothing that a later caller gets', async () => {
  const opened = await open()
  const { authority, root, ca } = opened
  for (let round = 0; round < 3; round++) {
    const { chain, roots } = await issueFrom(opened)
    const list = await authority.issueCrl()
    const [first] = await authority.issueCrls()
    const bundles = [authority.trustBundle(), authority.bundleFor(authority.trustDomain)!]
    for (const got of [...roots, ...authority.roots, ...bundles.flatMap((one) => one.x509Authorities)])
      expect(Buffer.compare(got.der, root.der), `round ${round}`).toBe(0)
    for (const got of [chain[0]!, authority.certificate, authority.chain[0]!])
      expect(Buffer.compare(got.der, ca.der)).toBe(0)
    for (const got of [list, first!]) expect(Crl.parse(got.der).verifySignatureBy(ca.publicKey)).toBe(true)
    // Unchanged, they are the same objects, so that holders can compare and cache them.
    expect([await authority.issueCrl(), authority.trustBundle(), authority.roots]).toEqual([
      expect.toSatisfy((one) => one === list),
      expect.toSatisfy((one) => one === bundles[0]),
      expect.toSatisfy((one) => one === roots),
    ])
    write(chain, roots, authority.certificate, ...bundles.map((one) => one.x509Authorities))
    for (const octets of [list.der, list.tbs, list.signature, first!.der]) octets.fill(0xa5)
  }
})
