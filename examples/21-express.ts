// Express: who calls is a SPIFFE ID; one route is for one service alone.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { SpiffeId } from 'spiffe-pki'
import { match } from 'spiffe-pki/spiffe'
import { createHttpsServer, fetchDispatcher, peerOf, requireSpiffePeer } from 'spiffe-pki/tls'
import { demoIdentity } from './main/demo-identity.ts'

const ordersId = 'spiffe://example.org/orders'
await using orders = await demoIdentity(ordersId)
await using shop = await demoIdentity('spiffe://example.org/shop')

const app = express()
app.get('/', (request, response) => {
  response.send(`hello, ${peerOf(request.socket)?.id.toString()}`)
})
app.use('/admin', requireSpiffePeer(SpiffeId.parse('spiffe://example.org/operator')))
app.get('/admin', (_request, response) => {
  response.send('the keys of the house')
})

// Everybody of the trust domain may connect; the middleware decides about the rest.
const server = createHttpsServer(orders, { authorize: match.memberOf('example.org') }, app)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

const dispatcher = await fetchDispatcher(shop, { id: ordersId })
for (const path of ['/', '/admin']) {
  const response = await fetch(`https://127.0.0.1:${port}${path}`, { dispatcher } as object)
  console.log(path, response.status, await response.text())
}
await dispatcher.close()
server.close()
