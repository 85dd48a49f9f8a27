// A certificate with DNS names alone, for a server that its clients know by its host name, such as a
// database: a profile without a SPIFFE ID, on purpose and by name. The database is a TLS server here.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { SoftwareSigner, createCertificateAuthority, createRootCertificate } from 'spiffe-pki'
import { workloadProfile } from 'spiffe-pki/ca'
import { exportPrivateKey } from 'spiffe-pki/keys'
import { buildCertificateRequest, generalName, keyPurposeOids } from 'spiffe-pki/x509'

const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=Databases', trustDomain: 'example.org' })
const databases = createCertificateAuthority({
  trustDomain: 'example.org',
  certificate: root,
  signer,
  profile: {
    ...workloadProfile,
    name: 'database',
    // Without this line the certificate is refused: it has no SPIFFE ID.
    spiffeId: 'absent',
    extendedKeyUsage: [keyPurposeOids.serverAuth],
    defaultTtlSeconds: 7 * 24 * 3600,
  },
})

// Who may have which host name is for the caller of the authority to decide: nobody asks it but this script.
const key = await SoftwareSigner.generate('P-256')
const prepared = await databases.prepare(await buildCertificateRequest({}, key), {
  subjectAltName: [generalName.dns('orders-db.internal')],
})
const { certificate } = await databases.sign(prepared)
console.log('names:', certificate.subjectAltName?.map(generalName.format).join())

const database = tls.createServer({
  cert: certificate.toPem(),
  key: exportPrivateKey(key.privateKey()),
})
database.listen(0, '127.0.0.1')
await once(database, 'listening')
const { port } = database.address() as AddressInfo
// As pg does with { ssl: { ca } }: Node checks the host name.
const client = tls.connect({ host: '127.0.0.1', port, servername: 'orders-db.internal', ca: root.toPem() })
await once(client, 'secureConnect')
console.log('a client that trusts the root is connected to orders-db.internal:', client.authorized)
client.destroy()
database.close()
