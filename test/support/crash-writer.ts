// A CA under load on a SQLite store, to be killed. Arguments: directory, URL of the thread's module.

import { crashService } from './crash-fixture.ts'
import { crashLoad } from './crash-load.ts'

const [directory = '', worker = ''] = process.argv.slice(2)
await crashLoad(directory, await crashService(directory, { workerModule: new URL(worker) }))
