// The mistakes of a first day, a promise where its value belongs or an object where text belongs, with a
// message that says what was found.

import { describe, expect, it } from 'vitest'
import { openAuthorizationFile, openPolicyFile } from '../../src/adapters/policy-file/index.ts'
import { createCertificateAuthority, createRootCertificate } from '../../src/ca/index.ts'
import { createIssuanceService } from '../../src/issuance/index.ts'
import { SoftwareSigner } from '../../src/keys/index.ts'
import { SpiffeId } from '../../src/spiffe/index.ts'
import { Certificate, CertificateRequest, Crl, buildCertificateRequest } from '../../src/x509/index.ts'
import { code } from '../support/codes.ts'

const trustDomain = 'example.org'
const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=root', trustDomain })
const authority = createCertificateAuthority({ trustDomain, certificate, signer })
const issuance = createIssuanceService({ authority })
const caller = { identities: [SpiffeId.parse('spiffe://example.org/a')], credential: 'test', claims: {} }
const promised = <Value>(value: Value): Value => Promise.resolve(value) as Value

describe('a promise is called one, with the word that is missing', () => {
  it.each<[string, () => unknown]>([
    ['a signer', () => createRootCertificate(promised(signer), { subject: 'CN=root', trustDomain })],
    ['a signer of a request', () => buildCertificateRequest({}, promised(signer))],
    [
      'a certificate',
      () => createCertificateAuthority({ trustDomain, certificate: promised(certificate), signer }),
    ],
    ['octets', () => Certificate.parse(promised(certificate.der))],
    ['octets of a request', () => CertificateRequest.parse(promised(certificate.der))],
    ['octets of a list', () => Crl.parse(promised(certificate.der))],
    ['options', () => createIssuanceService(promised({ authority }))],
    [
      'a request',
      async () => issuance.issue({ csr: promised(await buildCertificateRequest({}, signer)) }, caller),
    ],
  ])('%s', async (_what, call) => {
    const attempt = (async () => call())()
    await expect(attempt).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await expect(attempt).rejects.toThrow('is an await missing?')
  })
})

it.each([[{ path: 'policy.yaml' }], [undefined], ['']])('the path of a policy is not %j', async (path) => {
  for (const open of [
    openPolicyFile,
    (at: string) => openAuthorizationFile(at, { workload: { namespace: 'a', labels: {} }, trustDomain }),
  ])
    await expect(open(path as string)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
})
