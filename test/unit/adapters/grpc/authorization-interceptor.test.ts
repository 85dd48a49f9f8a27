// The interceptor on a server of grpc-js: who reaches the handler, and which status the others get.

import * as grpc from '@grpc/grpc-js'
import { afterAll, expect, it } from 'vitest'
import { authorizationInterceptor } from '../../../../src/adapters/grpc/index.ts'
import { Authorizer } from '../../../../src/policy/index.ts'
import { alice, bearerTokens, orderPolicies, shop } from '../../../support/bearer.ts'

const bytes = (value: Uint8Array): Buffer => Buffer.from(value)
const method = (path: string): grpc.MethodDefinition<Uint8Array, Uint8Array> => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
})
let handled = 0
const open: grpc.Server[] = []
afterAll(() => open.forEach((server) => server.forceShutdown()))

async function serve(
  options: Partial<Parameters<typeof authorizationInterceptor>[0]>,
): Promise<(path: string, token?: string) => Promise<number>> {
  const authorizer = new Authorizer(orderPolicies, shop)
  const interceptor = await authorizationInterceptor({ authorizer, ...options })
  const server = new grpc.Server({ interceptors: [interceptor] })
  open.push(server)
  const handler: grpc.handleUnaryCall<Uint8Array, Uint8Array> = (_, reply) => {
    handled++
    reply(null, Uint8Array.of(1))
  }
  const paths = ['/pkg.Orders/Get', '/pkg.Other/Get']
  for (const path of paths) server.addService({ call: method(path) }, { call: handler })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  return (path, token) =>
    new Promise((resolve) => {
      const metadata = new grpc.Metadata()
      if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
      client.makeUnaryRequest(path, bytes, bytes, Uint8Array.of(7), metadata, (error) => {
        resolve(error?.code ?? 0)
      })
    })
}

it('answers with the codes of gRPC', async () => {
  const lines: unknown[] = []
  const log = (fields: object): void => void lines.push(fields)
  const logger = { debug: log, info: log, warn: log, error: log }
  const call = await serve({ authenticator: bearerTokens, tokensAsPrincipals: true, logger })
  expect(await call('/pkg.Orders/Get', 'alice')).toBe(grpc.status.OK)
  expect(handled).toBe(1)
  expect(await call('/pkg.Orders/Get', 'bob')).toBe(grpc.status.PERMISSION_DENIED)
  expect(await call('/pkg.Other/Get', 'alice')).toBe(grpc.status.PERMISSION_DENIED)
  expect(await call('/pkg.Orders/Get')).toBe(grpc.status.UNAUTHENTICATED)
  expect(await call('/pkg.Orders/Get', 'eve')).toBe(grpc.status.UNAUTHENTICATED)
  expect(await call('/pkg.Orders/Get', 'down')).toBe(grpc.status.UNAVAILABLE)
  expect(handled).toBe(1)
  expect(lines).toHaveLength(5)
  expect(lines[0]).toMatchObject({ rule: 'no-allow-rule', path: '/pkg.Orders/Get', method: 'POST' })
})

it('the peer that the listener names is the principal', async () => {
  expect(await (await serve({ peerIdOf: () => alice }))('/pkg.Orders/Get')).toBe(grpc.status.OK)
  expect(await (await serve({ peerIdOf: () => undefined }))('/pkg.Orders/Get')).toBe(
    grpc.status.UNAUTHENTICATED,
  )
  const broken = await serve({
    peerIdOf: () => {
      throw new Error('broken')
    },
  })
  expect(await broken('/pkg.Orders/Get')).toBe(grpc.status.UNAVAILABLE)
})
