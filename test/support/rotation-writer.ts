// Rotates the CA of a directory from ca-1 to ca-2, from the point at which an earlier run was killed.

import { join } from 'node:path'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { createSqliteStorage } from '../../src/adapters/sqlite/index.ts'
import { createRotatingAuthority } from '../../src/ca/index.ts'

// The directory and the URL of the store's thread.
const [directory = '', worker = '', first = ''] = process.argv.slice(2)
const keys = await FileKeyManager.open({
  directory: join(directory, 'keys'),
  passphrase: () => 'a passphrase for tests',
})
const storage = await createSqliteStorage({
  path: join(directory, 'ca.sqlite'),
  workerModule: new URL(worker),
})
const rotating = await createRotatingAuthority({
  trustDomain: 'example.org',
  storage,
  keys,
  automatic: false,
})
if (first === '') {
  const { authorities } = await rotating.status()
  if (!authorities.some(({ id }) => id === 'ca-2')) await rotating.prepareNext()
  if (authorities.every(({ id, state }) => id !== 'ca-2' || state === 'prepared')) await rotating.publish()
  await rotating.activate({ id: 'ca-2', force: true })
  await rotating.taint('ca-1')
  await rotating.revoke('ca-1', { force: true })
}
process.stdout.write('done')
await rotating[Symbol.asyncDispose]()
await storage[Symbol.asyncDispose]()
