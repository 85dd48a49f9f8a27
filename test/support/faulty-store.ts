// Writes to a SQLite store from 32 callers until a call fails or enough succeeded, and prints the result as
// JSON.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { isPkiError } from '../../src/errors/index.ts'
import { anyIntent } from '../../src/testing/contracts/storage/storage-fixtures.ts'

// The file, the URL of the thread's module, the number of calls.
const [path = '', worker = '', calls = ''] = process.argv.slice(2)
const storage = await createSqliteStorage({ path, workerModule: new URL(worker) })
const { certificates } = storage
const codeOf = (error: unknown): string => (isPkiError(error) ? error.code : String(error))
const answered: string[] = []
let failed: string | undefined

async function write(): Promise<void> {
  while (failed === undefined && answered.length < Number(calls)) {
    const intent = anyIntent()
    try {
      await certificates.recordIntent(intent)
      answered.push(intent.serialNumber)
    } catch (error) {
      failed = codeOf(error)
    }
  }
}

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
await Promise.all(Array.from({ length: 32 }, write))
delay.disable()
const loopP99Ms = delay.percentile(99) / 1e6
const failure = storage.failure?.code
const later = await certificates.recordIntent(anyIntent()).then(() => 'recorded', codeOf)
const found = await certificates.query({ limit: 1 }).then(() => 'found', codeOf)
process.stdout.write(JSON.stringify({ answered, failed, failure, later, found, loopP99Ms }))
await storage[Symbol.asyncDispose]()
