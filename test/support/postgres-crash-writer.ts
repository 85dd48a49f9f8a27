// A CA under load on PostgreSQL, to be killed. Arguments: directory, host, schema, `publishes` for the one
// that publishes lists.

import { createPostgresStorage } from '../../src/adapters/postgres/index.ts'
import { crashLoad } from './crash-load.ts'

const [directory = '', host = '', schema = '', publishes] = process.argv.slice(2)
const connection = { host, user: 'postgres', database: 'postgres' }
const storage = await createPostgresStorage({ connection, schema, maxConnections: 4 })
// The server ends a transaction of a process that has no processor for seconds.
await crashLoad(directory, storage, { publishes: publishes !== undefined, unavailable: 'goes on' })
