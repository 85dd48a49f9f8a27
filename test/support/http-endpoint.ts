// A small HTTP server of a test: answers by path, counts requests, closes with the test.

import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface HttpEndpoint {
  readonly origin: string
  readonly port: number
  /** Every request, in order. */
  readonly requests: IncomingMessage[]
  /** The most requests that were open at once. */
  readonly mostAtOnce: () => number
}

export async function httpEndpoint(listener: RequestListener): Promise<HttpEndpoint> {
  const requests: IncomingMessage[] = []
  let open = 0
  let most = 0
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    requests.push(request)
    most = Math.max(most, ++open)
    response.on('close', () => open--)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, port, requests, mostAtOnce: () => most }
}

/** Options of a fetcher that may reach `httpEndpoint`. */
export const loopback: { readonly allowedNetworks: string[]; readonly dangerouslyAllowHttp: true } = {
  allowedNetworks: ['127.0.0.0/8'],
  dangerouslyAllowHttp: true,
}
