// Mutual TLS by SPIFFE ID: each side verifies the other before the first octet, and certificates renew
// themselves.

import { once } from 'node:events'
import { get } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  SoftwareSigner,
  SpiffeId,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { createX509Source, localCaClient } from 'spiffe-pki/secrets'
import { createHttpsServer, createTlsIdentity, httpsAgent, peerOf } from 'spiffe-pki/tls'
import type { TlsIdentity } from 'spiffe-pki/tls'

const caKey = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(caKey, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer: caKey })
const issuance = createIssuanceService({ authority })

/** A workload with an SVID that renews itself. Here the CA is in the same process. */
async function identityOf(id: string): Promise<TlsIdentity> {
  const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
  const source = createX509Source({ ca: localCaClient(issuance, caller), id })
  await source.ready()
  return createTlsIdentity({ source })
}

const serverIdentity = await identityOf('spiffe://example.org/server')
const server = createHttpsServer(
  serverIdentity,
  { authorize: 'spiffe://example.org/client' },
  (request, response) => {
    response.end(`welcome, ${peerOf(request.socket)?.id}`)
  },
)
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const clientIdentity = await identityOf('spiffe://example.org/client')
const agent = httpsAgent(clientIdentity, { id: 'spiffe://example.org/server', node: { keepAlive: false } })
const { port } = server.address() as AddressInfo
// The second request resumes the TLS session of the first; its peer is verified again.
for (let request = 1; request <= 2; request++) {
  const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage]
  for await (const text of response.setEncoding('utf8')) console.log(String(text))
}
agent.destroy()
server.close()
