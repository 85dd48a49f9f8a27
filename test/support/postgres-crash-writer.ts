// A CA under load on PostgreSQL, to be killed.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { crashPassphrase, crashService } from './crash-fixture.ts'
import { crashLoad } from './crash-load.ts'

// The directory, the host, the schema, the name of the process; the one named `a` publishes lists and
// rotates.
const [directory = '', host = '', schema = '', name = ''] = process.argv.slice(2)
const connection = { host, user: 'postgres', database: 'postgres' }
const storage = await createPostgresStorage({ connection, schema, maxConnections: 4 })
const keys = await FileKeyManager.open({
  directory: join(directory, 'keys'),
  passphrase: () => crashPassphrase,
})
mkdirSync(join(directory, name), { recursive: true })
const service = await crashService(join(directory, name), { storage, keys })
// The server ends a transaction of a process that has no processor for seconds.
await crashLoad(directory, service, { publishes: name === 'a', unavailable: 'goes on' })
