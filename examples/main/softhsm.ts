// A throw-away SoftHSM token, and a key manager on it.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pkcs11KeyManager } from 'spiffe-pki/pkcs11'
import type { KeyManager } from 'spiffe-pki/keys'

/** A key manager, and how to call its place in a sentence. */
export interface OpenKeys extends AsyncDisposable {
  readonly manager: KeyManager
  readonly place: string
}

/** A token that is gone after `dispose`. Its library reads SOFTHSM2_CONF when it is first loaded. */
export interface SoftHsmToken {
  readonly modulePath: string
  readonly label: string
  readonly pin: string
  readonly directory: string
  dispose(): Promise<void>
}

/** Makes a token. @throws when SoftHSM is not installed, with the command that installs it */
export async function createSoftHsmToken(label = 'spiffe-pki'): Promise<SoftHsmToken> {
  const named = process.env['SOFTHSM2_MODULE']
  if (named !== undefined && !existsSync(named))
    throw new Error(
      `SOFTHSM2_MODULE names ${named}, which does not exist: give it the path of libsofthsm2.so`,
    )
  const modulePath = [named, ...usualPlaces].find((path) => path !== undefined && existsSync(path))
  if (modulePath === undefined)
    throw new Error(
      'SoftHSM is not installed: apt-get install softhsm2, or set SOFTHSM2_MODULE to the path of ' +
        'libsofthsm2.so',
    )
  const directory = await mkdtemp(join(tmpdir(), 'softhsm-'))
  const tokens = join(directory, 'tokens')
  await mkdir(tokens)
  const conf = join(directory, 'softhsm2.conf')
  await writeFile(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  process.env['SOFTHSM2_CONF'] = conf
  const pin = '1234'
  const command = ['--init-token', '--free', '--label', label, '--so-pin', '12345678', '--pin', pin]
  await promisify(execFile)('softhsm2-util', command).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('softhsm2-util is not installed: apt-get install softhsm2', { cause: error })
    throw error
  })
  return { modulePath, label, pin, directory, dispose: () => rm(directory, { recursive: true, force: true }) }
}

const usualPlaces = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
]

/** Keys of the main job in such a token. */
export async function openSoftHsm(): Promise<OpenKeys> {
  const token = await createSoftHsmToken()
  const manager = await Pkcs11KeyManager.open({
    module: token.modulePath,
    token: { label: token.label },
    pin: () => token.pin,
  })
  return {
    manager,
    place: `in the PKCS#11 token "${token.label}" (SoftHSM) and cannot leave it`,
    async [Symbol.asyncDispose]() {
      await manager[Symbol.asyncDispose]()
      await token.dispose()
    },
  }
}
