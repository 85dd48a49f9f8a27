// Key files of a directory, opened by openssl.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { requires } from '../support/requires.ts'
import { temporaryFolders } from '../support/temporary.ts'

const passphrase = 'a passphrase that nobody sees'
const newFolder = temporaryFolders('openssl-key-files-')

it.skipIf(!requires('openssl'))('key files are opened by openssl pkcs8', async () => {
  const directory = join(newFolder(), 'keys')
  await using keys = await FileKeyManager.open({ directory, passphrase: () => passphrase })
  const signer = await keys.generateKey('ca', 'P-256')
  const text = execFileSync(
    'openssl',
    ['pkcs8', '-in', join(directory, 'ca', '1.pem'), '-passin', `pass:${passphrase}`],
    { encoding: 'utf8' },
  )
  expect(text).toBe(signer.privateKey().export({ type: 'pkcs8', format: 'pem' }))
})
