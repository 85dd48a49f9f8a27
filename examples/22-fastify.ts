// Fastify: the server that it makes is one of ours, and a hook knows the caller.

import { fastify } from 'fastify'
import type { AddressInfo } from 'node:net'
import { match } from 'spiffe-pki/spiffe'
import { createHttpsServer, fetchDispatcher, peerOf, spiffePeerHook } from 'spiffe-pki/tls'
import { demoIdentity } from './main/demo-identity.ts'

const ordersId = 'spiffe://example.org/orders'
await using orders = await demoIdentity(ordersId)
await using shop = await demoIdentity('spiffe://example.org/shop')

const app = fastify({
  serverFactory: (handler) =>
    createHttpsServer(orders, { authorize: match.memberOf('example.org') }, handler),
})
app.get('/', (request) => ({ hello: peerOf(request.raw.socket)?.id.toString() }))
await app.register(async (admin) => {
  admin.addHook('onRequest', spiffePeerHook('spiffe://example.org/operator'))
  admin.get('/admin', () => ({ keys: 'of the house' }))
})
await app.listen({ port: 0, host: '127.0.0.1' })
const { port } = app.server.address() as AddressInfo

const dispatcher = await fetchDispatcher(shop, { id: ordersId })
for (const path of ['/', '/admin']) {
  const response = await fetch(`https://127.0.0.1:${port}${path}`, { dispatcher } as object)
  console.log(path, response.status, await response.text())
}
await dispatcher.close()
await app.close()
