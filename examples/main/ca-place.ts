// Where the CA of the main job keeps what it has: a directory that is given, or one that goes with the
// process.

import { mkdtemp, rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyManager } from 'spiffe-pki/keys'

/** A directory, and the keys where they are not in it. */
export interface CaPlace extends AsyncDisposable {
  readonly directory: string
  readonly passphrase: () => string
  readonly keys: KeyManager | undefined
  /** How to call the place of the keys in a sentence. */
  readonly keysPlace: string
}

export async function openPlace(options: {
  readonly data: string | undefined
  readonly hsm: boolean
}): Promise<CaPlace> {
  const { data, hsm } = options
  const passphrase = data === undefined ? randomUUID() : process.env['CA_PASSPHRASE']
  if (passphrase === undefined || passphrase === '')
    throw new Error(
      '--data keeps the keys in encrypted files: set CA_PASSPHRASE, which opens them, in the environment; ' +
        'for a new CA to at least 12 characters',
    )
  const directory = data ?? (await mkdtemp(join(tmpdir(), 'spiffe-pki-')))
  const token = hsm ? await (await import('./softhsm.ts')).openSoftHsm() : undefined
  return {
    directory,
    passphrase: () => passphrase,
    keys: token?.manager,
    keysPlace: token?.place ?? `in encrypted files in ${join(directory, 'keys')}`,
    async [Symbol.asyncDispose]() {
      await token?.[Symbol.asyncDispose]()
      if (data === undefined) await rm(directory, { recursive: true, force: true })
    },
  }
}
