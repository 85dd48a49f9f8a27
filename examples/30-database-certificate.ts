// A certificate with DNS names alone, for a PostgreSQL server (here a TLS server) that clients know by its
// host name, allowed by a rule of the policy and the profile of the CA.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { SoftwareSigner, SpiffeId, createCertificateAuthority, createIssuanceService } from 'spiffe-pki'
import { createRootCertificate, workloadProfile } from 'spiffe-pki/ca'
import { exportPrivateKey } from 'spiffe-pki/keys'
import { createRulePolicy } from 'spiffe-pki/policy'
import { buildCertificateRequest, generalName, keyPurposeOids } from 'spiffe-pki/x509'

const trustDomain = 'example.org'
const signer = await SoftwareSigner.generate('P-256')
const certificate = await createRootCertificate(signer, { subject: 'CN=Databases', trustDomain })
const weekSeconds = 7 * 24 * 3600
const authority = createCertificateAuthority({
  ...{ trustDomain, certificate, signer },
  // Without `absent` a certificate that has no SPIFFE ID is refused.
  profile: {
    ...{ ...workloadProfile, name: 'database', spiffeId: 'absent', defaultTtlSeconds: weekSeconds },
    extendedKeyUsage: [keyPurposeOids.serverAuth],
  },
})
const dnsNames = ['{name}-db.internal']
const rules = [{ name: 'databases', identity: '/databases/{name}', dnsNames, spiffeId: 'absent' }] as const
const issuance = createIssuanceService({ authority, policy: createRulePolicy({ trustDomain, rules }) })

// The caller is whoever was authenticated: the agent on the database's machine, for instance.
const identities = [SpiffeId.parse('spiffe://example.org/databases/orders')]
const key = await SoftwareSigner.generate('P-256')
const subjectAltName = [generalName.dns('orders-db.internal')]
const csr = await buildCertificateRequest({ extensions: { subjectAltName } }, key)
const issued = await issuance.issue({ csr }, { identities, credential: 'x509', claims: {} })
console.log('names:', issued.certificate.subjectAltName?.map(generalName.format).join())
const status = await issuance.status(issued.certificate.serialNumber)
console.log(`on record: ${status?.state}, of ${status?.identity.toString()}`)

// In postgresql.conf: ssl = on, ssl_cert_file = 'server.crt', ssl_key_file = 'server.key'
const cert = [issued.certificate, ...issued.chain].map((one) => one.toPem()).join('')
const database = tls.createServer({ cert, key: exportPrivateKey(key.privateKey()) })
database.listen(0, '127.0.0.1')
await once(database, 'listening')
const { port } = database.address() as AddressInfo
// As pg does with { ssl: { ca } }, and psql with sslmode=verify-full: the host name is checked.
const ca = certificate.toPem()
const client = tls.connect({ host: '127.0.0.1', port, servername: 'orders-db.internal', ca })
await once(client, 'secureConnect')
console.log('a client that trusts the root is connected to orders-db.internal:', client.authorized)
client.destroy()
database.close()
