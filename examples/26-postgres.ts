// pg over mutual TLS by SPIFFE ID: each new connection of the pool uses the current certificate, and no
// connection is older than an hour.

import type { AddressInfo } from 'node:net'
import pg from 'pg'
import { createTlsIdentity, tlsClientOptions } from 'spiffe-pki/tls'
import { demoIdentity, demoSource } from './main/demo-identity.ts'
import { startFakePostgres } from './main/fake-servers.ts'

const databaseId = 'spiffe://example.org/database'
await using database = await demoIdentity(databaseId)
await using source = await demoSource('spiffe://example.org/orders')
await using orders = createTlsIdentity({ source })
// A stand-in that speaks enough of the protocol.
await using server = await startFakePostgres(database, 'spiffe://example.org/orders')
const { port } = server.address() as AddressInfo

/** A client with the certificate of the moment at which it connects. */
class RotatingClient extends pg.Client {
  constructor(config: pg.ClientConfig = {}) {
    super({ ...config, ssl: tlsClientOptions(orders, { id: databaseId }) })
  }
}

const pool = new pg.Pool({
  Client: RotatingClient,
  ...{ host: '127.0.0.1', port, user: 'orders', database: 'shop' },
  // A connection lives on with its certificate: this is for how long at most.
  maxLifetimeSeconds: 3600,
})
pool.on('error', (error) => console.error('an idle connection failed:', error.message))

for (let round = 0; round < 2; round++) {
  const client = await pool.connect()
  const { rows } = await client.query<{ peer: string }>('select peer')
  console.log('the database sees', rows[0]?.peer)
  // Released with `true` it is closed: the next one has the next certificate.
  client.release(true)
  await source.renew()
}
await pool.end()
