// A restoration that reports when its folder exists, and then waits until it is killed.

import { restoreBackup } from '../../src/service/index.ts'

// The archive, the directory, the URL of the thread's module.
const [path = '', directory = '', worker = ''] = process.argv.slice(2)
// Keeps the process alive: a promise does not.
setInterval(() => undefined, 60_000)
await restoreBackup({
  path,
  directory,
  passphrase: () => {
    process.stdout.write('restoring\n')
    return new Promise<string>(() => undefined)
  },
  workerModule: new URL(worker),
})
