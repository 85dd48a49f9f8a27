// A CA under load on a SQLite store, to be killed.

import { crashService } from './crash-fixture.ts'
import { crashLoad } from './crash-load.ts'

// The directory and the URL of the thread's module.
const [directory = '', worker = ''] = process.argv.slice(2)
await crashLoad(directory, await crashService(directory, { workerModule: new URL(worker) }))
