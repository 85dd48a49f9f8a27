// Your own signer: the key is somewhere else, and all that is known here is how to ask for a signature.

import { generateKeyPairSync, sign } from 'node:crypto'
import { createCertificateAuthority, createIssuanceService, createRootCertificate, SoftwareSigner, SpiffeId, buildCertificateRequest } from 'spiffe-pki'
import type { Signer } from 'spiffe-pki'
import { PublicKey } from 'spiffe-pki/x509'

/** Stands for a service across the network that holds keys and signs. */
const remote = (() => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    describe: async () => publicKey.export({ type: 'spki', format: 'der' }),
    sign: async (data: Uint8Array) => sign('sha256', data, privateKey),
  }
})()

class RemoteSigner implements Signer {
  readonly id = 'remote/ca-2026'
  readonly publicKey: PublicKey
  readonly signatureAlgorithm = 'ecdsa-with-SHA256'

  constructor(spki: Uint8Array) {
    this.publicKey = PublicKey.from(spki)
  }

  /** In X.509 form: DER for ECDSA. The CA verifies it before anything leaves, so a faulty service cannot harm. */
  sign(data: Uint8Array): Promise<Uint8Array> {
    return remote.sign(data)
  }
}

const signer = new RemoteSigner(await remote.describe())
const root = await createRootCertificate(signer, { subject: 'CN=kept elsewhere', trustDomain: 'example.org' })
const issuance = createIssuanceService({ authority: createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer }) })
const csr = await buildCertificateRequest({}, await SoftwareSigner.generate('P-256'))
const { certificate } = await issuance.issue({ csr }, { identities: [SpiffeId.parse('spiffe://example.org/api')], credential: 'example', claims: {} })
console.log(`signed by ${signer.id}: ${certificate.serialNumber}, until ${certificate.notAfter.toISOString()}`)
