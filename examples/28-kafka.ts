// KafkaJS by mutual TLS, and by OAUTHBEARER with a JWT-SVID: no password anywhere.

import type { AddressInfo } from 'node:net'
import { Kafka, logLevel } from 'kafkajs'
import { SoftwareSigner } from 'spiffe-pki'
import { createJwtSource } from 'spiffe-pki/secrets'
import { JwtAuthority, TrustBundle, createJwtVerifier, issueJwtSvid } from 'spiffe-pki/svid'
import { tlsClientOptions } from 'spiffe-pki/tls'
import { demoIdentity } from './main/demo-identity.ts'
import { startFakeKafka } from './main/fake-servers.ts'

const [brokerId, ordersId] = ['spiffe://example.org/kafka', 'spiffe://example.org/orders']
await using broker = await demoIdentity(brokerId)
await using orders = await demoIdentity(ordersId)

// The tokens come from a key of this process; with a Workload API: (request) => agent.fetchJwtSvid(request)
const key = await SoftwareSigner.generate('P-256')
await using jwt = createJwtSource({
  fetchToken: ({ audience }) => issueJwtSvid({ id: ordersId, audience, keyId: 'jwt-1' }, key),
})
const bundles = new TrustBundle('example.org', {
  jwtAuthorities: [JwtAuthority.from('jwt-1', key.publicKey)],
})
const verifier = createJwtVerifier({ bundles })
// A stand-in that does the handshakes.
await using server = await startFakeKafka(broker, ordersId, async (token) => {
  const { id } = await verifier.verify(token, 'kafka')
  console.log('the broker accepted the token of', id.toString())
})

const kafka = new Kafka({
  clientId: 'orders',
  brokers: [`127.0.0.1:${(server.address() as AddressInfo).port}`],
  logLevel: logLevel.ERROR,
  // KafkaJS keeps these options: make a new Kafka after a renewal, before the certificate expires.
  ssl: tlsClientOptions(orders, { id: brokerId }),
  sasl: {
    mechanism: 'oauthbearer',
    oauthBearerProvider: async () => ({ value: await jwt.token('kafka') }),
  },
})
const admin = kafka.admin()
await admin.connect()
console.log('connected by mutual TLS as', orders.current.svid.id.toString())
await admin.disconnect()
