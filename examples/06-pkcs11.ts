// A CA whose keys are in a PKCS#11 token: made there, sensitive, never extractable. SoftHSM stands for the HSM.

import { createCertificateAuthority, createIntermediateCertificate, createIssuanceService, createRootCertificate, SoftwareSigner, SpiffeId, buildCertificateRequest } from 'spiffe-pki'
import { Pkcs11KeyManager } from 'spiffe-pki/pkcs11'
import { createSoftHsmToken } from './main/softhsm.ts'

const token = await createSoftHsmToken('example')
{
  await using keys = await Pkcs11KeyManager.open({ module: token.modulePath, token: { label: token.label }, pin: () => token.pin })
  const rootKey = await keys.generateKey('root', 'P-384')
  const root = await createRootCertificate(rootKey, { subject: 'CN=hsm root', trustDomain: 'example.org', pathLength: 1 })
  const signingKey = await keys.generateKey('intermediate', 'P-256')
  const certificate = await createIntermediateCertificate({ certificate: root, signer: rootKey }, signingKey.publicKey, { subject: 'CN=hsm intermediate', trustDomain: 'example.org' })

  const issuance = createIssuanceService({ authority: createCertificateAuthority({ trustDomain: 'example.org', certificate, signer: signingKey, roots: [root] }) })
  const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
  const issued = await issuance.issue({ csr }, { identities: [SpiffeId.parse('spiffe://example.org/api')], credential: 'example', claims: {} })
  console.log(`signed in the token "${token.label}": ${issued.certificate.serialNumber}`)
  for (const { id, version, algorithm } of await keys.listKeys()) console.log(`the token holds ${id}, version ${version}, ${algorithm}`)
}
await token.dispose()
