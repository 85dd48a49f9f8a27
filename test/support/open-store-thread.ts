// Opens a store with the migrations that it is given, closes it, and reports the result, in a thread of its
// own, because SQLite keeps a file locked until the statements of its thread are gone.

import { parentPort, workerData } from 'node:worker_threads'
import { closeStore, openStore } from '../../src/adapters/sqlite/thread/open-store.ts'
import type { StoreSetup } from '../../src/adapters/sqlite/messages.ts'
import { isPkiError } from '../../src/errors/index.ts'

const { setup, migrations } = workerData as { setup: StoreSetup; migrations: readonly string[] }
try {
  closeStore(openStore(setup, migrations))
  parentPort?.postMessage('opened')
} catch (error) {
  parentPort?.postMessage(isPkiError(error) ? error.code : String(error))
}
