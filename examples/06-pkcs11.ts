// A CA whose keys are generated in a PKCS#11 token (here SoftHSM), sensitive and never extractable.

import {
  SoftwareSigner,
  SpiffeId,
  buildCertificateRequest,
  createCertificateAuthority,
  createIntermediateCertificate,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { Pkcs11KeyManager } from 'spiffe-pki/pkcs11'
import { createSoftHsmToken } from './main/softhsm.ts'

const trustDomain = 'example.org'
const token = await createSoftHsmToken('example')
{
  await using keys = await Pkcs11KeyManager.open({
    module: token.modulePath,
    token: { label: token.label },
    pin: () => token.pin,
  })
  const rootKey = await keys.generateKey('root', 'P-384')
  const root = await createRootCertificate(rootKey, { subject: 'CN=hsm root', trustDomain, pathLength: 1 })
  const signer = await keys.generateKey('intermediate', 'P-256')
  const parent = { certificate: root, signer: rootKey }
  const certificate = await createIntermediateCertificate(parent, signer.publicKey, {
    subject: 'CN=hsm intermediate',
    trustDomain,
  })

  const authority = createCertificateAuthority({ trustDomain, certificate, signer, roots: [root] })
  const issuance = createIssuanceService({ authority })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  const caller = {
    identities: [SpiffeId.parse('spiffe://example.org/api')],
    credential: 'example',
    claims: {},
  }
  const issued = await issuance.issue({ csr }, caller)
  console.log(`signed in the token "${token.label}": ${issued.certificate.serialNumber}`)
  for (const key of await keys.listKeys())
    console.log(`the token holds ${key.id}, version ${key.version}, ${key.algorithm}`)
}
await token.dispose()
