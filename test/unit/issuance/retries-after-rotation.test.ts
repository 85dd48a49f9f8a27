// A retry gets the certificate of its first request, also where another issuer than the current one signed
// it.

import { expect, it } from 'vitest'
import { createIssuanceService } from '../../../src/issuance/index.ts'
import {
  createCertificateAuthority,
  createIntermediateCertificate,
  createRootCertificate,
} from '../../../src/ca/index.ts'
import type { SigningMaterial } from '../../../src/ca/authority/signing-material.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { X509SvidValidator } from '../../../src/svid/index.ts'
import { code } from '../../support/codes.ts'
import { callerOf, newRequest } from '../../support/pki.ts'

const trustDomain = 'example.org'

async function setUp() {
  const rootSigner = await SoftwareSigner.generate('P-256')
  const root = await createRootCertificate(rootSigner, { subject: 'CN=root', trustDomain })
  const materialOf = async (name: string): Promise<SigningMaterial> => {
    const signer = await SoftwareSigner.generate('P-256')
    const parent = { certificate: root, signer: rootSigner }
    const options = { subject: `CN=${name}`, trustDomain }
    const certificate = await createIntermediateCertificate(parent, signer.publicKey, options)
    return { certificate, signer, roots: [root] }
  }
  const first = await materialOf('first')
  const authority = createCertificateAuthority({ trustDomain, ...first })
  const issuance = createIssuanceService({ authority })
  const request = { csr: (await newRequest()).request, idempotencyKey: 'deploy-1' }
  return { authority, issuance, materialOf, first, request }
}

it('of a canary', async () => {
  const { authority, issuance, materialOf, request } = await setUp()
  const canary = await materialOf('canary')
  await authority.rotate(canary, { share: 1 - Number.EPSILON })
  const { certificate, chain } = await issuance.issue(request, callerOf())
  expect(certificate.issuer.toString()).toBe('CN=canary')
  const retry = await issuance.issue(request, callerOf())
  expect(retry.certificate.serialNumber).toBe(certificate.serialNumber)
  expect(retry.chain).toEqual(chain)
})

it('of before a rotation, with the chain that verifies it', async () => {
  const { authority, issuance, materialOf, request } = await setUp()
  const { certificate } = await issuance.issue(request, callerOf())
  await authority.rotate(await materialOf('second'))
  const retry = await issuance.issue(request, callerOf())
  expect(retry.certificate.serialNumber).toBe(certificate.serialNumber)
  expect(retry.chain[0]?.subject.toString()).toBe('CN=first')
  const validator = new X509SvidValidator({ bundles: authority })
  expect(validator.verify([retry.certificate, ...retry.chain]).ok).toBe(true)
})

it('not where its root is no longer served', async () => {
  const { authority, issuance, request } = await setUp()
  await issuance.issue(request, callerOf())
  const signer = await SoftwareSigner.generate('P-256')
  const certificate = await createRootCertificate(signer, { subject: 'CN=other root', trustDomain })
  await authority.rotate({ certificate, signer })
  await expect(issuance.issue(request, callerOf())).rejects.toThrow(code('ERR_IDEMPOTENCY_KEY'))
})
