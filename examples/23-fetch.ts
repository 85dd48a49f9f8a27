// fetch with one dispatcher per server identity, which follows rotations and keeps connections alive.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createHttpsServer, fetchDispatcher } from 'spiffe-pki/tls'
import { demoIdentity } from './main/demo-identity.ts'

const [shopId, ordersId] = ['spiffe://example.org/shop', 'spiffe://example.org/orders']
await using orders = await demoIdentity(ordersId)
await using shop = await demoIdentity(shopId)
let connections = 0
const server = createHttpsServer(orders, { authorize: shopId }, (_request, response) =>
  response.end('order 7'),
)
server.on('secureConnection', () => connections++)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/orders/7`

const dispatcher = await fetchDispatcher(shop, { id: ordersId })
for (let request = 0; request < 3; request++) {
  const response = await fetch(url, { dispatcher } as object)
  console.log(response.status, await response.text())
}
console.log('three requests; connections:', connections)

// The same URL for somebody who expects another service there: nothing is sent.
const other = await fetchDispatcher(shop, { id: 'spiffe://example.org/billing' })
const failure = await fetch(url, { dispatcher: other } as object).then(
  () => 'nobody objected',
  (error: unknown) => String((error as Error).cause),
)
console.log('billing is expected there:', failure)
await Promise.all([dispatcher.close(), other.close()])
server.close()
