// The peer in HTTP/2, whose sockets are proxies: of a request, of a session, in the middleware.

import { once } from 'node:events'
import http2 from 'node:http2'
import type { Http2ServerRequest } from 'node:http2'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import {
  connectTls,
  createHttp2Server,
  createTlsIdentity,
  peerOf,
  requireSpiffePeer,
} from '../../../../src/adapters/tls/index.ts'
import { openMesh } from '../../../support/mesh.ts'

const [serverId, clientId] = ['spiffe://example.org/orders', 'spiffe://example.org/shop']

test('is known by the socket of the request and by that of the session, and to the middleware', async () => {
  await using mesh = await openMesh([serverId, clientId])
  await using orders = createTlsIdentity({ source: mesh.sources[0]! })
  await using shop = createTlsIdentity({ source: mesh.sources[1]! })
  const middleware = requireSpiffePeer(clientId)
  const seen: (string | undefined)[] = []
  const server = createHttp2Server(orders, { authorize: clientId }, (request, response) => {
    seen.push(peerOf(request.socket)?.id.toString())
    seen.push(peerOf((request as Http2ServerRequest).stream.session!.socket)?.id.toString())
    middleware(request as unknown as IncomingMessage, response as unknown as ServerResponse, () =>
      response.end('ok'),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = http2.connect(`https://127.0.0.1:${port}`, {
    createConnection: () => connectTls(shop, { id: serverId, host: '127.0.0.1', port, alpn: ['h2'] }),
  })
  const stream = client.request({ ':path': '/' })
  let text = ''
  for await (const part of stream.setEncoding('utf8')) text += String(part)
  expect([text, ...seen]).toEqual(['ok', clientId, clientId])
  expect(peerOf({})).toBeUndefined()
  client.close()
  await once(client, 'close')
  server.close()
})
