// A restoration that is to be killed: it says when its folder is there, and then waits for ever. Arguments:
// archive, directory, URL of the thread's module.

import { restoreBackup } from '../../src/service/index.ts'

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
