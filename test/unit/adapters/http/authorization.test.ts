// The middleware on node:http, Express and Fastify: who goes on, who gets 401, 403 and 503, and what the log
// says.

import { createServer, request as httpRequest } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fastify from 'fastify'
import { afterAll, describe, expect, it } from 'vitest'
import { httpAuthorization } from '../../../../src/adapters/http/index.ts'
import { Authorizer } from '../../../../src/policy/index.ts'
import { SpiffeId } from '../../../../src/spiffe/index.ts'
import { code } from '../../../support/codes.ts'
import { deferred } from '../../../support/deferred.ts'
import { alice, bearerTokens, orderPolicies, shop } from '../../../support/bearer.ts'

const lines: Record<string, unknown>[] = []
const counts: (readonly [name: string, labels: object | undefined])[] = []
const log = (fields: object, message: string): void => void lines.push({ ...fields, message })
const logger = { debug: log, info: log, warn: log, error: log }
const metrics = {
  count: (name: string, labels?: object) => void counts.push([name, labels]),
  gauge: () => undefined,
  observe: () => undefined,
}
const authorizer = new Authorizer(orderPolicies, shop)
const guard = httpAuthorization({ authorizer, authenticator: bearerTokens, logger, metrics })

const servers: Server[] = []
async function listen(server: Server): Promise<number> {
  servers.push(server)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return (server.address() as AddressInfo).port
}
afterAll(() => servers.forEach((server) => server.close()))

async function ask(
  port: number,
  path: string,
  headers: Record<string, string | string[]> = {},
  method = 'GET',
): Promise<{ status: number | undefined; body: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ port, path, method, headers, agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => void (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode, body, headers: response.headers }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

const plain = await listen(
  createServer((request, response) => guard.express(request, response, () => response.end('in'))),
)
const app = express()
const nested = express.Router()
nested.use(guard.express)
nested.get('/{*rest}', (_, response) => void response.end('in'))
app.use('/orders', nested)
app.use(guard.express, (_, response) => void response.end('in'))
const onExpress = await listen(createServer(app))
const fast = fastify()
fast.addHook('onRequest', guard.fastify)
fast.all('/*', () => 'in')
await fast.ready()
const onFastify = await listen(fast.server)

const token = (name: string): Record<string, string> => ({ authorization: `Bearer ${name}` })

describe.each([
  ['node:http', plain],
  ['Express', onExpress],
  ['Fastify', onFastify],
])('%s', (_, port) => {
  it.each([
    ['without a credential, where everybody may', '/health', {}, 'GET', 200],
    ['without a credential, where not everybody may', '/orders/1', {}, 'GET', 401],
    ['with a credential that allows it', '/orders/1', token('alice'), 'GET', 200],
    ['with a query', '/orders/1?x=/health', token('alice'), 'GET', 200],
    ['another method', '/orders/1', token('alice'), 'POST', 403],
    ['another path', '/orders', token('alice'), 'GET', 403],
    ['a path that leads out', '/orders/../admin', token('alice'), 'GET', 403],
    ['somebody else', '/orders/1', token('bob'), 'GET', 403],
    ['a wrong credential, even where everybody may', '/health', token('eve'), 'GET', 401],
    ['a token is no principal', '/mtls', token('alice'), 'GET', 403],
    ['a credential that cannot be verified now', '/orders/1', token('down'), 'GET', 503],
    ['two credentials', '/orders/1', { authorization: ['Bearer alice', 'Bearer bob'] }, 'GET', 401],
  ])('%s', async (...[, path, headers, method, status]) => {
    const answer = await ask(port, path, headers, method)
    expect(answer.status).toBe(status)
    if (status === 200) expect(answer.body).toBe('in')
    // Opaque: nothing of rule or reason.
    else expect(['unauthenticated\n', 'forbidden\n', 'try again\n']).toContain(answer.body)
    if (status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer')
    if (status === 503) expect(answer.headers['retry-after']).toBe('1')
  })
})

it('the log has identity, rule and reason, and the counter the rule', async () => {
  lines.length = counts.length = 0
  await ask(plain, '/orders/1?secret=1', token('bob'))
  expect(lines).toEqual([
    expect.objectContaining({
      identity: 'spiffe://example.org/ns/web/sa/bob',
      rule: 'no-allow-rule',
      path: '/orders/1',
      method: 'GET',
      message: 'request refused',
    }),
  ])
  expect(JSON.stringify(lines)).not.toContain('secret')
  // The token is no proof of a workload: see `tokensAsPrincipals`.
  expect(counts).toEqual([
    ['mtls_policy_violations_total', { source: 'unknown', destination: 'unknown', policy: 'no-allow-rule' }],
  ])
})

it('the counter has who has proven an identity, and this workload, bounded in number', async () => {
  counts.length = 0
  let peer = SpiffeId.parse('spiffe://example.org/ns/web/sa/carol')
  const own = httpAuthorization({
    authorizer,
    peerIdOf: () => peer,
    destination: 'spiffe://example.org/ns/web/sa/orders',
    metrics,
  })
  const port = await listen(
    createServer((request, response) => own.express(request, response, () => response.end())),
  )
  expect((await ask(port, '/orders/1')).status, 'a peer that is known is forbidden').toBe(403)
  // A path may be anything, the name of a pod for instance: then the trust domain stands for it.
  peer = SpiffeId.parse('spiffe://example.org/pod/web-6f5d7-x2x9z')
  await ask(port, '/orders/1')
  const about = { destination: 'spiffe://example.org/ns/web/sa/orders', policy: 'no-allow-rule' }
  expect(counts.map(([, labels]) => labels)).toEqual([
    { source: 'spiffe://example.org/ns/web/sa/carol', ...about },
    { source: 'spiffe://example.org', ...about },
  ])
  expect(() => httpAuthorization({ authorizer, peerIdOf: () => peer, destination: 'orders' })).toThrow(
    code('ERR_SPIFFE_ID_INVALID'),
  )
})

it('a refusal that comes after another answer ends nothing', async () => {
  const asked = deferred<undefined>()
  const slow = httpAuthorization({
    authorizer,
    authenticator: { name: 'slow', authenticate: () => asked.promise },
  })
  const failed: unknown[] = []
  const note = (reason: unknown): void => void failed.push(reason)
  process.on('unhandledRejection', note)
  try {
    const port = await listen(
      createServer((request, response) => {
        slow.express(request, response, () => response.end('in'))
        response.writeHead(504).end('too late')
      }),
    )
    expect((await ask(port, '/')).status).toBe(504)
    asked.resolve(undefined)
    expect((await ask(port, '/')).status).toBe(504)
    await new Promise((resolve) => setImmediate(resolve))
    expect(failed).toEqual([])
  } finally {
    process.off('unhandledRejection', note)
  }
})

it('the peer of the handshake is the principal; of a token only by its option', async () => {
  const seen: unknown[] = []
  const serve = (options: Partial<Parameters<typeof httpAuthorization>[0]>): Promise<number> => {
    const own = httpAuthorization({ authorizer, ...options } as Parameters<typeof httpAuthorization>[0])
    return listen(
      createServer((request, response) =>
        own.express(request, response, () => {
          seen.push((request as { authorization?: unknown }).authorization)
          response.end()
        }),
      ),
    )
  }
  expect((await ask(await serve({ peerIdOf: () => alice }), '/mtls')).status).toBe(200)
  expect((await ask(await serve({ peerIdOf: () => undefined }), '/mtls')).status).toBe(401)
  const loose = await serve({ authenticator: bearerTokens, tokensAsPrincipals: true })
  expect((await ask(loose, '/mtls', token('alice'))).status).toBe(200)
  expect((await ask(loose, '/mtls', token('bob'))).status).toBe(403)
  expect(seen).toEqual([
    { caller: undefined, principal: alice, rule: 'shop/orders[2]' },
    expect.objectContaining({ rule: 'shop/orders[2]', principal: alice }),
  ])
  const broken = await serve({
    peerIdOf: () => {
      throw new Error('broken')
    },
  })
  expect((await ask(broken, '/health')).status).toBe(503)
})

it.each([1, 'true', {}, undefined])('an answer that is %j and not true forbids', async (allowed) => {
  const decide = (): never => ({ allowed, rule: 'r', reason: '', audited: [] }) as never
  const own = httpAuthorization({ authorizer: { decide }, peerIdOf: () => alice })
  const port = await listen(
    createServer((request, response) => own.express(request, response, () => response.end('in'))),
  )
  expect((await ask(port, '/')).status).toBe(403)
})

it('a target in absolute form is compared by its path and its authority', async () => {
  const rules = [{ to: [{ operation: { hosts: ['a.test'], paths: ['/x'] } }] }]
  const metadata = { name: 'a', namespace: 'shop' }
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata,
    spec: { rules },
  }
  const own = httpAuthorization({ authorizer: new Authorizer([policy], shop), peerIdOf: () => alice })
  const port = await listen(
    createServer((request, response) => own.express(request, response, () => response.end('in'))),
  )
  expect((await ask(port, 'http://a.test/x?y', { host: 'b.test' })).status).toBe(200)
  expect((await ask(port, 'http://b.test/x', { host: 'a.test' })).status).toBe(403)
  expect((await ask(port, '/x', { host: 'a.test' })).status).toBe(200)
})

it('a target whose path routers do not agree on passes no rule that denies a path', async () => {
  const policy = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'a', namespace: 'shop' },
    spec: { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin'] } }] }] },
  }
  const own = httpAuthorization({ authorizer: new Authorizer([policy], shop), peerIdOf: () => alice })
  const server = fastify()
  server.addHook('onRequest', own.fastify)
  server.get('/admin', () => 'in')
  server.get('/', () => 'in')
  await server.listen({ port: 0, host: '127.0.0.1' })
  try {
    const { port } = server.server.address() as AddressInfo
    expect((await ask(port, '/')).status).toBe(200)
    for (const target of ['/admin', 'http://a.test/admin', 'http://a.test?x/admin'])
      expect((await ask(port, target)).status, target).toBe(403)
  } finally {
    await server.close()
  }
})

it.each([
  [{}],
  [{ authorizer }],
  [{ authorizer: {}, peerIdOf: () => alice }],
  [{ authorizer, authenticator: undefined, peerIdOf: () => alice }],
  [{ authorizer, authenticator: {} }],
  [{ authorizer, authenticator: bearerTokens, extra: 1 }],
])('options %# are refused', (options) => {
  expect(() => httpAuthorization(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  )
})
