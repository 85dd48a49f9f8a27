// A profile without a SPIFFE ID: DNS names and addresses alone, and only where the profile says so.

import { expect, test } from 'vitest'
import { createCertificateAuthority, createRootCertificate, workloadProfile } from '../../../src/ca/index.ts'
import type { CertificateProfile } from '../../../src/ca/index.ts'
import { SoftwareSigner } from '../../../src/keys/index.ts'
import { TrustBundle, X509SvidValidator } from '../../../src/svid/index.ts'
import { createPathValidator } from '../../../src/validation/index.ts'
import { generalName } from '../../../src/x509/index.ts'
import type { Certificate, GeneralName } from '../../../src/x509/index.ts'
import { code } from '../../support/codes.ts'
import { newRequest } from '../../support/pki.ts'

const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const host = generalName.dns('db.internal')
const uri = generalName.uri('spiffe://example.org/db')

async function issue(profile: CertificateProfile, names: readonly GeneralName[]): Promise<Certificate> {
  const authority = createCertificateAuthority({
    trustDomain: 'example.org',
    certificate: root,
    signer,
    profile,
  })
  const { request } = await newRequest()
  const { certificate } = await authority.sign(
    await authority.prepare(request, { subjectAltName: [...names] }),
  )
  return certificate
}

const database = { ...workloadProfile, name: 'database', spiffeId: 'absent' } as const

test('has the names of the decision, verifies by its host name, and is no SVID', async () => {
  const certificate = await issue(database, [host, generalName.ip('10.0.0.7')])
  expect(certificate.subjectAltName?.map(({ type }) => type)).toEqual(['dns', 'ip'])
  expect(createPathValidator({ anchors: [root] }).verify(certificate).ok).toBe(true)
  const bundles = new TrustBundle('example.org', { x509Authorities: [root] })
  expect(new X509SvidValidator({ bundles }).verify([certificate]).ok).toBe(false)
})

test.each([
  ['a SPIFFE ID', [uri]],
  ['a SPIFFE ID beside a host name', [host, uri]],
  ['no name', []],
])('refuses %s', async (_what, names) => {
  await expect(issue(database, names)).rejects.toThrow(/./)
})

test('no other profile does without a SPIFFE ID', async () => {
  for (const profile of [workloadProfile, { ...workloadProfile, spiffeId: 'required' } as const])
    await expect(issue(profile, [host])).rejects.toThrow(code('ERR_LINT'))
  for (const spiffeId of ['none', undefined, true, ''])
    await expect(issue({ ...workloadProfile, spiffeId } as never, [host])).rejects.toThrow(
      code('ERR_INVALID_ARGUMENT'),
    )
})
