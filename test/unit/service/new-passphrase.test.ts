// The passphrase that the key files of a CA are made with.

import { describe, expect, it } from 'vitest'
import { createCaService } from '../../../src/service/index.ts'
import { sqliteWorker } from '../../support/bundled.ts'
import { code } from '../../support/codes.ts'
import '../../support/cheap-scrypt.ts'
import { temporaryFolders } from '../../support/temporary.ts'

const workerModule = sqliteWorker()
const newFolder = temporaryFolders('new-passphrase-')
const open = (directory: string, passphrase: string): Promise<AsyncDisposable> =>
  createCaService({ directory, trustDomain: 'example.org', workerModule, passphrase: () => passphrase })

describe('the passphrase of a new CA', () => {
  it('has at least 12 characters, and nothing is made with a shorter one', async () => {
    const directory = newFolder()
    await expect(open(directory, 'eleven char')).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
    await (await open(directory, 'twelve chars'))[Symbol.asyncDispose]()
  })

  it('may be shorter where there are keys: it has to open them', async () => {
    const directory = newFolder()
    await (await open(directory, 'a passphrase for tests'))[Symbol.asyncDispose]()
    await expect(open(directory, 'short')).rejects.toEqual(code('ERR_KEY_PASSPHRASE'))
  })
})
