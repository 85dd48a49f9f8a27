// HTTP/2: one verified connection, many streams; each stream knows its peer.

import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { connectTls, createHttp2Server, peerOf } from 'spiffe-pki/tls'
import { demoIdentity } from './main/demo-identity.ts'

const [shopId, ordersId] = ['spiffe://example.org/shop', 'spiffe://example.org/orders']
await using orders = await demoIdentity(ordersId)
await using shop = await demoIdentity(shopId)

const server = createHttp2Server(orders, { authorize: shopId }, (request, response) => {
  const peer = peerOf(request.socket)
  response.end(`${request.url} for ${peer?.id.toString()}`)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

const client = http2.connect(`https://127.0.0.1:${port}`, {
  createConnection: () => connectTls(shop, { id: ordersId, host: '127.0.0.1', port, alpn: ['h2'] }),
})
const answers = ['/orders/1', '/orders/2', '/orders/3'].map(async (path) => {
  const stream = client.request({ ':path': path })
  let text = ''
  for await (const part of stream.setEncoding('utf8')) text += String(part)
  return text
})
for (const answer of await Promise.all(answers)) console.log(answer)
client.close()
await once(client, 'close')
server.close()
