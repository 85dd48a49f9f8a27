// One of several processes that make keys in one directory at once: it prints `ready`, waits for a line,
// makes the key and new versions of it, and prints each public key.

import { once } from 'node:events'
import { FileKeyManager } from '../../src/adapters/files/index.ts'
import { isPkiError } from '../../src/errors/index.ts'

// The directory, the passphrase, the number of versions.
const [directory = '', passphrase = '', versions = '0'] = process.argv.slice(2)
await using keys = await FileKeyManager.open({ directory, passphrase: () => passphrase })
process.stdout.write('ready\n')
await once(process.stdin, 'data')
const say = (kind: string, spki: Uint8Array): void =>
  void process.stdout.write(`${kind} ${Buffer.from(spki).toString('hex')}\n`)
try {
  say('generated', (await keys.generateKey('ca', 'P-256')).publicKey.spki)
} catch (error) {
  if (!isPkiError(error, 'ERR_KEY_EXISTS')) throw error
}
for (let version = 0; version < Number(versions); version++)
  say('rotated', (await keys.rotateKey('ca')).publicKey.spki)
process.stdin.destroy()
