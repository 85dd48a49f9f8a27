// Whatever a CA signs, it checks: leaves, CA certificates and lists alike.

import { describe, expect, it } from 'vitest'
import {
  createCertificateAuthority,
  createCrossCertificate,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { Certificate, Crl, SignatureAlgorithm, Signer } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest } from '../../support/pki.ts'

const good = await SoftwareSigner.generate('P-256')
const rsa = await SoftwareSigner.generate('RSA-2048')
const other = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(good, { subject: 'CN=root', trustDomain: 'example.org' })
const rsaRoot = await createRootCertificate(rsa, { subject: 'CN=root', trustDomain: 'example.org' })
const otherRoot = await createRootCertificate(other, { subject: 'CN=other root', trustDomain: 'example.org' })
const { request: csr } = await newRequest()

interface Ca {
  readonly certificate: Certificate
  readonly signer: Signer
}

const authorityOf = (ca: Ca) => createCertificateAuthority({ ...ca, trustDomain: 'example.org' })
const signed: readonly (readonly [what: string, make: (ca: Ca) => Promise<Certificate | Crl>])[] = [
  ['a root', ({ signer }) => createRootCertificate(signer, { subject: 'CN=new root' })],
  ['an intermediate', (ca) => createIntermediateCertificate(ca, other.publicKey, { subject: 'CN=ca' })],
  ['a cross-certificate', (ca) => createCrossCertificate(ca, otherRoot, { pathLength: 0 })],
  ['a list', (ca) => authorityOf(ca).issueCrl()],
  [
    'a leaf',
    async (ca) => {
      const authority = authorityOf(ca)
      return (
        await authority.sign(
          await authority.prepare(csr, { subjectAltName: [generalName.uri('spiffe://example.org/x')] }),
        )
      ).certificate
    },
  ],
]

function signerOf(signer: SoftwareSigner, changes: Partial<Signer>): Signer {
  return {
    id: 'odd',
    publicKey: signer.publicKey,
    signatureAlgorithm: signer.signatureAlgorithm,
    sign: (data) => signer.sign(data),
    ...changes,
  }
}

/** As a faulty or hostile signer would be; each with its CA. */
const faulty: readonly (readonly [what: string, ca: () => Ca])[] = [
  [
    'that signs with another key',
    () => ({ certificate: root, signer: signerOf(good, { sign: (data) => other.sign(data) }) }),
  ],
  [
    'that signs with another key, later',
    () => ({ certificate: root, signer: signerOf(good, { sign: async (data) => other.sign(data) }) }),
  ],
  [
    'that signs something else',
    () => ({ certificate: root, signer: signerOf(good, { sign: (data) => good.sign(data.subarray(1)) }) }),
  ],
  [
    'that changes what it signs',
    () => ({
      certificate: root,
      signer: signerOf(good, {
        sign: (data) => {
          data[30]! ^= 1
          return good.sign(data)
        },
      }),
    }),
  ],
  [
    'that answers with nothing',
    () => ({ certificate: root, signer: signerOf(good, { sign: () => undefined as never }) }),
  ],
  [
    'whose signature is empty',
    () => ({ certificate: root, signer: signerOf(good, { sign: () => new Uint8Array(0) }) }),
  ],
  [
    'whose signature has one octet more',
    () => ({
      certificate: root,
      signer: signerOf(good, {
        sign: async (data) => Buffer.concat([await good.sign(data), Buffer.alloc(1)]),
      }),
    }),
  ],
  [
    'that signs by another algorithm from then on, and says so',
    () => {
      const pss = new SoftwareSigner(rsa.privateKey(), { pss: true })
      let algorithm: SignatureAlgorithm = rsa.signatureAlgorithm
      return {
        certificate: rsaRoot,
        signer: {
          id: 'odd',
          publicKey: rsa.publicKey,
          get signatureAlgorithm() {
            return algorithm
          },
          sign: (data) => {
            algorithm = pss.signatureAlgorithm
            return pss.sign(data)
          },
        },
      }
    },
  ],
]

describe.each(signed)('%s', (_what, make) => {
  it.each(faulty)('of a signer %s is not let out', async (_how, ca) => {
    await expect(make(ca())).rejects.toThrow(code('ERR_CA_SIGNATURE'))
  })

  it('of a good signer verifies by the key of its CA', async () => {
    for (const [certificate, signer] of [
      [root, good],
      [rsaRoot, rsa],
    ] as const) {
      expect((await make({ certificate, signer })).verifySignatureBy(certificate.publicKey)).toBe(true)
    }
  })
})

it.each(signed.slice(1, 3))("%s is not signed with a key that is not the parent's", async (_what, make) => {
  await expect(make({ certificate: root, signer: other })).rejects.toThrow(code('ERR_CA_SIGNATURE'))
})
