// What an operator reads when a CA does not start: the message has the file that is at fault.

import { chmodSync, copyFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCaService } from '../../../src/service/index.ts'
import { sqliteWorker } from '../../support/bundled.ts'
import { code } from '../../support/codes.ts'
import '../../support/cheap-scrypt.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const workerModule = sqliteWorker()
const newFolder = temporaryFolders('refusals-')
const open = (directory: string, passphrase = 'a passphrase for tests'): Promise<AsyncDisposable> =>
  createCaService({ directory, trustDomain: 'example.org', workerModule, passphrase: () => passphrase })

async function newCa(): Promise<string> {
  const directory = newFolder()
  await (await open(directory))[Symbol.asyncDispose]()
  return directory
}

describe('a CA that does not start names the file', () => {
  it.each<[string, string, string, (directory: string) => void, string?]>([
    ['another passphrase', 'ERR_KEY_PASSPHRASE', 'keys/root/1.pem', () => undefined, 'another passphrase'],
    [
      'a key file without content',
      'ERR_KEY_STORAGE',
      'keys/root/1.pem',
      (at) => truncateSync(join(at, 'keys/root/1.pem')),
    ],
    [
      'a key of another encoding',
      'ERR_KEY_STORAGE',
      'keys/root/1.pem',
      (at) =>
        writeFileSync(
          join(at, 'keys/root/1.pem'),
          '-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n',
        ),
    ],
    [
      'a key in the place of another',
      'ERR_KEY_STORAGE',
      'keys/root/1.pem',
      (at) => copyFileSync(join(at, 'keys/issuing/1.pem'), join(at, 'keys/root/1.pem')),
    ],
    [
      'a key that others may read',
      'ERR_KEY_STORAGE',
      'keys/root/1.pem',
      (at) => chmodSync(join(at, 'keys/root/1.pem'), 0o644),
    ],
    [
      'a checkpoint without content',
      'ERR_NOTE_INVALID',
      'audit',
      (at) => truncateSync(join(at, 'audit/checkpoint')),
    ],
    [
      'a log without its tiles',
      'ERR_AUDIT_LOG',
      'audit',
      (at) => rmSync(join(at, 'audit/tile'), { recursive: true }),
    ],
    ['a store without content', 'ERR_STORE_OWNER', 'root.pem', (at) => truncateSync(join(at, 'ca.sqlite'))],
    [
      'a store of another program',
      'ERR_STORE_SCHEMA',
      'ca.sqlite',
      (at) => writeFileSync(join(at, 'ca.sqlite'), 'no database'.repeat(100)),
    ],
  ])('%s', async (_what, expected, file, damage, passphrase) => {
    const directory = await newCa()
    damage(directory)
    const attempt = open(directory, passphrase)
    await expect(attempt).rejects.toEqual(code(expected))
    await expect(attempt).rejects.toThrow(join(directory, file))
  })
})
