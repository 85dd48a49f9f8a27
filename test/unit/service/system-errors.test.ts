// What the system refuses: each message has the file and the reason in words, and the code of the package.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createAuditFile, createTileDirectory } from '../../../src/adapters/files/index.ts'
import { openPolicyFile } from '../../../src/adapters/policy-file/index.ts'
import { createSqliteStorage } from '../../../src/adapters/sqlite/index.ts'
import { createCaService, restoreBackup, verifyBackup } from '../../../src/service/index.ts'
import { sqliteWorker } from '../../support/bundled.ts'
import '../../support/cheap-scrypt.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const workerModule = sqliteWorker()
const newFolder = temporaryFolders('system-errors-')
const trustDomain = 'example.org'
const passphrase = (): string => 'a passphrase for tests'

async function refusal(attempt: () => unknown): Promise<{ code: unknown; message: string }> {
  try {
    await attempt()
  } catch (error) {
    return error as { code: unknown; message: string }
  }
  throw new Error('nothing was refused')
}

const file = (...parts: string[]): string => {
  const path = join(newFolder(), ...parts)
  writeFileSync(path, 'a file')
  return path
}
const absent = join(newFolder(), 'absent')
const ca = (directory: string): Promise<unknown> =>
  createCaService({ directory, trustDomain, workerModule, passphrase })

describe('a failed call of the system is told with its file and its reason', () => {
  const words = /no such file or directory|not a directory|is a file|illegal operation on a directory/
  const restore = (path: string): unknown =>
    restoreBackup({ path, directory: join(newFolder(), 'restored'), passphrase, workerModule })
  const inTheWay = (name: string): string => {
    const path = join(newFolder(), name)
    mkdirSync(path)
    return path
  }
  const dangling = (name: string): string => {
    const path = join(newFolder(), name)
    symlinkSync(join(absent, name), path)
    return path
  }
  it.each<[string, string, string, (path: string) => unknown]>([
    ['the directory of a CA', 'ERR_STORE_UNAVAILABLE', file('ca'), ca],
    ['a directory below a file', 'ERR_STORE_UNAVAILABLE', join(file('ca'), 'below'), ca],
    ['root.pem, read', 'ERR_STORE_UNAVAILABLE', inTheWay('root.pem'), (path) => ca(dirname(path))],
    [
      'root.pem, written',
      'ERR_STORE_UNAVAILABLE',
      inTheWay('root.pem.new').replace('.new', ''),
      (path) => ca(dirname(path)),
    ],
    ['an archive', 'ERR_STORE_UNAVAILABLE', absent, restore],
    ['an archive that is a directory', 'ERR_STORE_UNAVAILABLE', newFolder(), restore],
    [
      'a scratch directory',
      'ERR_STORE_UNAVAILABLE',
      absent,
      (path) => verifyBackup({ path: file('b'), scratchDirectory: path, passphrase }),
    ],
    [
      'a store',
      'ERR_STORE_UNAVAILABLE',
      join(absent, 'ca.sqlite'),
      (path) => createSqliteStorage({ path, workerModule }),
    ],
    [
      'a store that leads nowhere',
      'ERR_STORE_UNAVAILABLE',
      dangling('ca.sqlite'),
      (path) => createSqliteStorage({ path, workerModule }),
    ],
    [
      'a tile',
      'ERR_STORE_UNAVAILABLE',
      join(file('audit'), 'checkpoint'),
      (path) => createTileDirectory(dirname(path)).read('checkpoint'),
    ],
    [
      'an audit file',
      'ERR_STORE_UNAVAILABLE',
      join(absent, 'audit.jsonl'),
      (path) => createAuditFile({ path })([{ index: 0, entry: Buffer.from('{}') }]),
    ],
    ['a policy', 'ERR_POLICY_FAILED', absent, (path) => openPolicyFile(path)],
  ])('%s', async (_what, code, path, attempt) => {
    const { code: found, message } = await refusal(() => attempt(path))
    expect([found, message]).toEqual([code, expect.stringContaining(path)])
    expect(message).toMatch(words)
  })

  it('a damaged archive with its name', async () => {
    const path = file('backup-of-today')
    const { code, message } = await refusal(() => restore(path))
    expect([code, message]).toEqual(['ERR_BACKUP_DAMAGED', expect.stringContaining(path)])
  })

  it('a policy that is not text', async () => {
    const path = file('policy.yaml')
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]))
    const { code, message } = await refusal(() => openPolicyFile(path))
    expect([code, message]).toEqual(['ERR_POLICY_FAILED', expect.stringContaining(path)])
  })
})
