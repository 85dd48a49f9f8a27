// Ensures that one directory of keys has one passphrase: the passphrase of a new key must decrypt the
// existing keys.

import { createHmac, randomBytes } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { requirePassphrase } from '../../internal/passphrase.ts'
import type { KeyDirectory } from './key-directory.ts'
import { openKeyFile } from './key-file.ts'

/** Decrypts one existing file with each new passphrase, and stores which passphrases were correct. */
export class PassphraseProof {
  readonly #directory: KeyDirectory
  readonly #digestKey = randomBytes(32)
  /** The text of a file that was decrypted, with a keyed digest of its passphrase. */
  #proven: { readonly text: string; readonly digest: string } | undefined

  constructor(directory: KeyDirectory) {
    this.#directory = directory
  }

  /**
   * A new key must use the passphrase of the existing keys; otherwise some of them would not decrypt.
   * @throws ERR_KEY_PASSPHRASE
   */
  async require(passphrase: string | Uint8Array): Promise<void> {
    const digest = createHmac('sha256', this.#digestKey).update(requirePassphrase(passphrase)).digest('hex')
    for (const id of await this.#directory.ids()) {
      for (const version of await this.#directory.versions(id)) {
        const header = await this.#directory.header(id, version)
        if (header === undefined) continue
        if (this.#proven?.text === header.text && this.#proven.digest === digest) return
        await openKeyFile({ id, version }, header, passphrase).catch((cause: unknown) => {
          if (!isPkiError(cause, 'ERR_KEY_PASSPHRASE')) throw cause
          throw new PkiError(
            'ERR_KEY_PASSPHRASE',
            `${cause.message}: a directory has one passphrase, and changePassphrase replaces it`,
            { cause },
          )
        })
        this.#proven = { text: header.text, digest }
        return
      }
    }
  }

  /** Removes the stored result; called after the passphrase was changed. */
  forget(): void {
    this.#proven = undefined
  }
}
