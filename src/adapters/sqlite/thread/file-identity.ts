// Whether the file of an open store is still the one at its path.

import { statSync } from 'node:fs'
import { PkiError } from '../../../errors/index.ts'

/**
 * SQLite continues to write to a file that was removed or replaced: everything committed after that,
 * revocations included, is lost when the process ends. This check does not open the file: closing a
 * descriptor of it would release the locks of the store (POSIX fcntl).
 */
export class FileIdentity {
  readonly #path: string
  readonly #opened: string | undefined

  constructor(path: string) {
    this.#path = path
    this.#opened = identityOf(path)
  }

  /** @throws ERR_STORE_FAILED if another file, or none, is at the path */
  require(): void {
    let found: string | undefined
    try {
      found = identityOf(this.#path)
    } catch {
      // the check itself failed, for example in a directory without search permission: the state is unknown
      return
    }
    if (found === this.#opened && found !== undefined) return
    const what = found === undefined ? 'removed' : 'replaced by another file'
    throw new PkiError(
      'ERR_STORE_FAILED',
      `${this.#path} was ${what} while the store had it open; nothing more is written. ` +
        'Put the file back, or restore a backup, and start the process again',
    )
  }
}

/** Device and inode; undefined if there is no file. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found && `${found.dev}:${found.ino}`
}
