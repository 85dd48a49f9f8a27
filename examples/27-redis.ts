// ioredis over mutual TLS by SPIFFE ID: a renewed certificate changes the options of the next connection, and
// the client reconnects.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import { createTlsIdentity, tlsClientOptions } from 'spiffe-pki/tls'
import { demoIdentity, demoSource } from './main/demo-identity.ts'
import { startFakeRedis } from './main/fake-servers.ts'

const redisId = 'spiffe://example.org/redis'
await using redisIdentity = await demoIdentity(redisId)
await using source = await demoSource('spiffe://example.org/orders')
await using orders = createTlsIdentity({ source })
// A stand-in that answers PING and GET.
await using server = await startFakeRedis(redisIdentity, 'spiffe://example.org/orders')

const redis = new Redis({
  host: '127.0.0.1',
  port: (server.address() as AddressInfo).port,
  enableReadyCheck: false,
  tls: tlsClientOptions(orders, { id: redisId }),
})
redis.on('error', (error: Error) => console.error('redis:', error.message))
source.onChange(() => {
  redis.options.tls = tlsClientOptions(orders, { id: redisId })
  // With `true` it connects again; commands wait meanwhile.
  redis.disconnect(true)
})

console.log('peer as redis sees it:', await redis.get('peer'))
const again = once(redis, 'connect')
await source.renew()
await again
console.log('after the renewal:    ', await redis.get('peer'))
redis.disconnect()
