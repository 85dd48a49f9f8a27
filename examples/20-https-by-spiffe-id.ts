// HTTPS between two services that verify each other by SPIFFE ID, without host names or lists of
// certificates.

import { once } from 'node:events'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHttpsServer, createTlsIdentity, httpsAgent, peerOf } from 'spiffe-pki/tls'
import { demoIdentity, demoSource } from './main/demo-identity.ts'

const [shopId, ordersId] = ['spiffe://example.org/shop', 'spiffe://example.org/orders']
await using orders = await demoIdentity(ordersId)
await using source = await demoSource(shopId)
await using shop = createTlsIdentity({ source })

// Nobody but the shop reaches the handler.
const server = createHttpsServer(orders, { authorize: shopId }, (request, response) => {
  response.end(`hello, ${peerOf(request.socket)?.id.toString()}`)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

const agent = httpsAgent(shop, { id: ordersId })
for (let request = 1; request <= 3; request++) {
  const [response] = (await once(https.get({ host: '127.0.0.1', port, agent }), 'response')) as [
    IncomingMessage,
  ]
  for await (const text of response) console.log(`answer ${request}:`, String(text))
  // The second and third request are made with a new certificate each; nothing is restarted.
  await source.renew()
}

const wrong = httpsAgent(shop, { id: 'spiffe://example.org/billing' })
const refused = https.get({ host: '127.0.0.1', port, agent: wrong })
const [error] = (await once(refused, 'error')) as [Error]
console.log('billing is expected there:', error.message)
agent.destroy()
wrong.destroy()
server.close()
