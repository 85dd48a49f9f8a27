// A CA under load on a SQLite store, to be killed. Arguments: directory, URL of the thread's module.

import { join } from 'node:path'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { crashLoad } from './crash-load.ts'

const [directory = '', worker = ''] = process.argv.slice(2)
const workerModule = new URL(worker)
const storage = await createSqliteStorage({ path: join(directory, 'ca.sqlite'), workerModule })
await crashLoad(directory, storage)
