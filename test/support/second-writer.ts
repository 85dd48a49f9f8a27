// Opens the store of its first argument, and says what came of it.

import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { isPkiError } from '../../src/errors/index.ts'

const [path = '', worker = ''] = process.argv.slice(2)
await createSqliteStorage({ path, workerModule: new URL(worker) }).then(
  () => process.stdout.write('opened'),
  (error: unknown) => process.stdout.write(isPkiError(error) ? error.code : String(error)),
)
