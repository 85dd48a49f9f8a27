// Mutual TLS with node:tls: each side checks the SPIFFE ID of the other before it says a word.

import { once } from 'node:events'
import { connect, createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import {
  SoftwareSigner,
  SpiffeId,
  X509Svid,
  X509SvidValidator,
  buildCertificateRequest,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { exportPrivateKey } from 'spiffe-pki/keys'
import { peerCertificates } from 'spiffe-pki/x509'

const caKey = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(caKey, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer: caKey })
const issuance = createIssuanceService({ authority })
const validator = new X509SvidValidator({ bundles: authority.trustBundle() })

/** What node:tls needs to be somebody. */
async function identity(id: string): Promise<{ cert: string; key: string; minVersion: 'TLSv1.3' }> {
  const signer = await SoftwareSigner.generate('P-256')
  const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
  const { certificate, chain } = await issuance.issue(
    { csr: await buildCertificateRequest({}, signer) },
    caller,
  )
  return {
    cert: new X509Svid([certificate, ...chain]).toPem(),
    key: exportPrivateKey(signer.privateKey()),
    minVersion: 'TLSv1.3',
  }
}

// rejectUnauthorized is off because OpenSSL knows no SPIFFE IDs: the validator decides, on both sides.
const serverOptions = {
  ...(await identity('spiffe://example.org/server')),
  requestCert: true,
  rejectUnauthorized: false,
}
const server = createServer(serverOptions, (socket) => {
  const verdict = validator.verify(peerCertificates(socket), {
    id: 'spiffe://example.org/client',
    extendedKeyUsage: 'clientAuth',
  })
  if (verdict.ok) socket.end(`welcome, ${verdict.id}\n`)
  else socket.destroy()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const { port } = server.address() as AddressInfo
const client = await identity('spiffe://example.org/client')
const socket = connect({ ...client, host: '127.0.0.1', port, rejectUnauthorized: false })
await once(socket, 'secureConnect')
const verdict = validator.verify(peerCertificates(socket), {
  id: 'spiffe://example.org/server',
  extendedKeyUsage: 'serverAuth',
})
if (!verdict.ok) throw new Error(verdict.rejected[0]?.message)
console.log(`connected to ${verdict.id}`)
for await (const text of socket.setEncoding('utf8')) console.log(String(text).trim())
server.close()
