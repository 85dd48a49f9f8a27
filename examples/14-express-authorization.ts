// An Express service that lets in whom Istio's AuthorizationPolicy allows, by API key here.

import express from 'express'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { ApiKeyAuthenticator } from 'spiffe-pki/auth'
import { httpAuthorization } from 'spiffe-pki/http'
import { Authorizer } from 'spiffe-pki/policy'

const key = ApiKeyAuthenticator.generateKey()
const digest = ApiKeyAuthenticator.digestOf(key)
const identities = ['spiffe://example.org/ns/web/sa/ui']
const authenticator = new ApiKeyAuthenticator({ keys: [{ id: 'ui', digest, identities }] })
// The same as Istio's YAML; openAuthorizationFile of spiffe-pki/policy-file reads that.
const policy = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'readers', namespace: 'shop' },
  spec: {
    rules: [
      {
        from: [{ source: { namespaces: ['web'] } }],
        to: [{ operation: { methods: ['GET'], paths: ['/orders/{*}'] } }],
      },
      { to: [{ operation: { paths: ['/health'] } }] },
    ],
  },
}
const workload = { namespace: 'shop', labels: { app: 'orders' } }
const authorizer = new Authorizer([policy], { workload, trustDomain: 'example.org' })
const guard = httpAuthorization({
  authorizer,
  authenticator,
  tokensAsPrincipals: true, // policies may name the identity of an API key as a principal
})

const app = express()
app.use(guard.express)
app.get('/health', (_, response) => void response.send('ok'))
app.get('/orders/:id', (request, response) => void response.send(`order ${request.params.id}`))
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo

for (const [path, headers] of [
  ['/health', {}],
  ['/orders/7', {}],
  ['/orders/7', { 'x-api-key': key }],
  ['/admin', { 'x-api-key': key }],
] as [string, Record<string, string>][]) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
  const who = 'x-api-key' in headers ? 'ui' : 'nobody'
  console.log(`${who} GET ${path}: ${answer.status} ${(await answer.text()).trim()}`)
}
server.close()
