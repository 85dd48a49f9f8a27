// Another passphrase for the keys of a directory: all are decrypted before the first file is replaced.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { requireNewPassphrase } from '../../internal/passphrase.ts'
import type { KeyDirectory } from './key-directory.ts'
import { openKeyFile, writeKeyFile } from './key-file.ts'
import type { KeyPlace, OpenedKeyFile } from './key-file.ts'

/** The previous and the new passphrase. */
export interface PassphraseChange {
  readonly before: string | Uint8Array
  readonly after: string | Uint8Array
}

/**
 * A file that does not open stops the change while the directory has one passphrase. A crash while the files
 * are replaced leaves some of them under each; the next call skips those under the new one.
 *
 * @throws ERR_KEY_PASSPHRASE, ERR_KEY_STORAGE, ERR_INVALID_ARGUMENT
 */
export async function encryptAnew(directory: KeyDirectory, change: PassphraseChange): Promise<void> {
  requireNewPassphrase(change.after)
  const opened: { readonly place: KeyPlace; readonly file: OpenedKeyFile }[] = []
  for (const id of await directory.ids()) {
    for (const version of await directory.versions(id)) {
      const place = { id, version }
      const file = await openBefore(directory, place, change)
      if (file !== undefined) opened.push({ place, file })
    }
  }
  for (const { place, file } of opened) {
    const header = await directory.header(place.id, place.version)
    // Another process destroyed or replaced it meanwhile.
    if (header?.text !== file.text) throw changedMeanwhile(file.path ?? place.id)
    const { text } = await writeKeyFile(place, file.signer.privateKey(), file, change.after)
    await directory.replace(place.id, place.version, text)
  }
}

/** Undefined for a file that the new passphrase opens: an earlier call completed this step. */
async function openBefore(
  directory: KeyDirectory,
  place: KeyPlace,
  { before, after }: PassphraseChange,
): Promise<OpenedKeyFile | undefined> {
  const header = await directory.header(place.id, place.version)
  if (header === undefined) return undefined
  try {
    return await openKeyFile(place, header, before)
  } catch (error) {
    if (!isPkiError(error, 'ERR_KEY_PASSPHRASE')) throw error
  }
  try {
    await openKeyFile(place, header, after)
    return undefined
  } catch (cause) {
    if (!isPkiError(cause, 'ERR_KEY_PASSPHRASE')) throw cause
    throw new PkiError(
      'ERR_KEY_PASSPHRASE',
      `${header.path ?? place.id}: neither the previous nor the new passphrase decrypts it; no file was ` +
        'changed by this call. Restore the file from a backup, or remove it',
      { cause },
    )
  }
}

function changedMeanwhile(path: string): PkiError {
  return new PkiError(
    'ERR_KEY_STORAGE',
    `${path} was changed or removed while the passphrase was changed: end the other process, then repeat ` +
      'the call',
  )
}
