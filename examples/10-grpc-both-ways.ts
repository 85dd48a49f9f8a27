// gRPC by SPIFFE ID: the client verifies the server, the server verifies the client, before the first call.

import { Client, Server } from '@grpc/grpc-js'
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import {
  SoftwareSigner,
  SpiffeId,
  createCertificateAuthority,
  createIssuanceService,
  createRootCertificate,
} from 'spiffe-pki'
import { grpcChannelCredentials, listenGrpc } from 'spiffe-pki/grpc'
import { createX509Source, localCaClient } from 'spiffe-pki/secrets'
import { createTlsIdentity } from 'spiffe-pki/tls'
import type { TlsIdentity } from 'spiffe-pki/tls'

const signer = await SoftwareSigner.generate('P-256')
const root = await createRootCertificate(signer, { subject: 'CN=root', trustDomain: 'example.org' })
const authority = createCertificateAuthority({ trustDomain: 'example.org', certificate: root, signer })
const issuance = createIssuanceService({ authority })

async function identityOf(id: string): Promise<TlsIdentity> {
  const caller = { identities: [SpiffeId.parse(id)], credential: 'example', claims: {} }
  const source = createX509Source({ ca: localCaClient(issuance, caller), id })
  await source.ready()
  return createTlsIdentity({ source })
}

// Any service of yours; this one takes and gives octets.
const octets = (bytes: Buffer): Buffer => bytes
const codec = {
  requestSerialize: octets,
  requestDeserialize: octets,
  responseSerialize: octets,
  responseDeserialize: octets,
}
const hello = { path: '/shop.Orders/Hello', requestStream: false, responseStream: false, ...codec } as const

const server = new Server()
const orders = await identityOf('spiffe://example.org/orders')
const listener = await listenGrpc(server, orders, { authorize: 'spiffe://example.org/shop' })
server.addService(
  { hello },
  {
    hello: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) =>
      reply(null, Buffer.from(`hello, ${listener.peerOf(call)}`)),
  },
)

const shop = await identityOf('spiffe://example.org/shop')
const credentials = await grpcChannelCredentials(shop, { id: 'spiffe://example.org/orders' })
const client = new Client(`127.0.0.1:${listener.port}`, credentials)
client.makeUnaryRequest(hello.path, octets, octets, Buffer.from('hi'), (error, answer) => {
  console.log(error?.message ?? String(answer))
  client.close()
  void listener.close()
})
