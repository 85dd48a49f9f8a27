// verify/…: leaf → intermediate → root, with the validator kept (warm) and from DER each time (cold).

import 'reflect-metadata'
import { X509Certificate as NodeCertificate, createPublicKey, verify, webcrypto } from 'node:crypto'
import { X509Certificate as PeculiarCertificate, X509ChainBuilder } from '@peculiar/x509'
import { createOcspChecker, createPathValidator } from '../src/validation/index.ts'
import { Budget } from '../src/validation/budget.ts'
import { DistinguishedName, OcspCertificateId, buildOcspResponse } from '../src/x509/index.ts'
import { p256Chain, p256Key } from './fixtures.ts'
import type { BenchRow } from './row.ts'

const { leaf, intermediate, root } = await p256Chain()
const validator = createPathValidator({ anchors: [root], intermediates: [intermediate], profile: 'spiffe' })
const issuerKey = createPublicKey({
  key: Buffer.from(intermediate.publicKey.spki),
  format: 'der',
  type: 'spki',
})
type PeculiarCrypto = Parameters<X509ChainBuilder['build']>[1]
const crypto = webcrypto as unknown as PeculiarCrypto
const bytes = (der: Uint8Array): Uint8Array<ArrayBuffer> => der as Uint8Array<ArrayBuffer>
const warmBuilder = new X509ChainBuilder({
  certificates: [new PeculiarCertificate(bytes(intermediate.der)), new PeculiarCertificate(bytes(root.der))],
})
const warmLeaf = new PeculiarCertificate(bytes(leaf.der))

const ocspKey = p256Key('responder')
const bench = DistinguishedName.parse('CN=bench')
const ocspTime = new Date(Math.floor(Date.now() / 1000) * 1000)
const ocspIssuer = { subject: bench, publicKey: ocspKey.signer.publicKey }
const ocsp = await buildOcspResponse(
  {
    producedAt: ocspTime,
    responses: [
      {
        certificateId: OcspCertificateId.of(leaf, ocspIssuer),
        certificateStatus: { status: 'good' },
        thisUpdate: ocspTime,
        nextUpdate: new Date(ocspTime.getTime() + 3_600_000),
      },
    ],
  },
  ocspKey.signer,
)

export const rows: readonly BenchRow[] = [
  {
    // A staple from its octets to "good": parsed, matched, fresh, signed by the issuer, whose key is known.
    name: 'ocsp/verify',
    ours: () => {
      const query = {
        certificate: leaf,
        issuer: ocspIssuer,
        time: ocspTime,
        budget: new Budget(),
        verifyAuthority: () => undefined,
      }
      if (createOcspChecker({ responses: [ocsp.der], mode: 'hard-fail' }).check(query) !== undefined)
        throw new Error('refused')
    },
    peers: {
      'node:crypto': () => {
        const { tbs, signature } = ocsp.answer!
        if (!verify('sha256', tbs, ocspKey.publicKey, signature)) throw new Error('refused')
      },
    },
  },
  {
    // The bare verification has its key as a KeyObject: a warm check imports none, the leaf's own key is not
    // used.
    name: 'verify/chain3-warm',
    ours: () => {
      if (!validator.verify(leaf.der).ok) throw new Error('refused')
    },
    peers: {
      'node:crypto': () => {
        if (!verify('sha256', leaf.tbs, issuerKey, leaf.signature)) throw new Error('refused')
      },
      '@peculiar/x509': () => warmBuilder.build(warmLeaf, crypto),
    },
    bars: { 'node:crypto': 0.45 },
    goals: { 'node:crypto': 0.85 },
  },
  {
    name: 'verify/chain3-cold',
    ours: async () => {
      const cold = createPathValidator({
        anchors: [root.der],
        intermediates: [intermediate.der],
        profile: 'spiffe',
      })
      await cold.prepare()
      if (!cold.verify(leaf.der).ok) throw new Error('refused')
    },
    peers: {
      'node:crypto': () => {
        const [a, b, c] = [leaf, intermediate, root].map(({ der }) => new NodeCertificate(der)) as [
          NodeCertificate,
          NodeCertificate,
          NodeCertificate,
        ]
        if (!a.verify(b.publicKey) || !b.verify(c.publicKey)) throw new Error('refused')
      },
      '@peculiar/x509': () => {
        const [a, b, c] = [leaf, intermediate, root].map(
          ({ der }) => new PeculiarCertificate(bytes(der)),
        ) as [PeculiarCertificate, PeculiarCertificate, PeculiarCertificate]
        return new X509ChainBuilder({ certificates: [b, c] }).build(a, crypto)
      },
    },
    bars: { '@peculiar/x509': 9 },
    goals: { '@peculiar/x509': 15 },
  },
]
