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
   * A new key must use the passphrase of the existing keys; otherwise some of them would not decrypt. A file
   * that is damaged proves nothing, and does not stop the other keys.
   *
   * @throws ERR_KEY_PASSPHRASE; the failure of the first file if no file of the directory can be read
   */
  async require(passphrase: string | Uint8Array): Promise<void> {
    const digest = createHmac('sha256', this.#digestKey).update(requirePassphrase(passphrase)).digest('hex')
    let damaged: PkiError | undefined
    for (const id of await this.#directory.ids()) {
      try {
        if (await this.#proves(id, passphrase, digest)) return
      } catch (error) {
        if (!isPkiError(error) || error.code === 'ERR_KEY_PASSPHRASE') throw error
        damaged ??= error
      }
    }
    if (damaged !== undefined) throw damaged
  }

  /** Whether the oldest file of a key opens; false if it has none. */
  async #proves(id: string, passphrase: string | Uint8Array, digest: string): Promise<boolean> {
    for (const version of await this.#directory.versions(id)) {
      const header = await this.#directory.header(id, version)
      if (header === undefined) continue
      if (this.#proven?.text === header.text && this.#proven.digest === digest) return true
      await openKeyFile({ id, version }, header, passphrase).catch((cause: unknown) => {
        if (!isPkiError(cause, 'ERR_KEY_PASSPHRASE')) throw cause
        throw new PkiError(
          'ERR_KEY_PASSPHRASE',
          `${cause.message}. A directory has one passphrase, and changePassphrase replaces it`,
          { cause },
        )
      })
      this.#proven = { text: header.text, digest }
      return true
    }
    return false
  }

  /** Removes the stored result; called after the passphrase was changed. */
  forget(): void {
    this.#proven = undefined
  }
}
