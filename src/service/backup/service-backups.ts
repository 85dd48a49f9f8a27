// The backups of a running service: one at a time, as each removes copies that are left over; those in
// progress end before its store is closed.

import type { SqliteStorage } from '../../adapters/sqlite/index.ts'
import type { CaStorage } from '../../ca/index.ts'
import { createBackup } from './create-backup.ts'
import type { BackupOptions, BackupResult, BackupSource } from './create-backup.ts'

/** Makes backups of one service. */
export class ServiceBackups {
  readonly #source: BackupSource
  /** The last requested backup. */
  #last: Promise<unknown> = Promise.resolve()

  /** `isOwn`: whether storage and keys are in files of the service's directory. */
  constructor(
    source: Omit<BackupSource, 'storage' | 'hasKeyFiles'> & { readonly storage: CaStorage },
    isOwn: { readonly storage: boolean; readonly keys: boolean },
  ) {
    const storage = isOwn.storage ? (source.storage as SqliteStorage) : undefined
    this.#source = { ...source, storage, hasKeyFiles: isOwn.keys }
  }

  make(options: BackupOptions): Promise<BackupResult> {
    const made = this.#last.then(() => createBackup(this.#source, options))
    this.#last = made.catch(() => undefined)
    return made
  }

  /** Resolves when no backup is in progress. */
  async settled(): Promise<void> {
    await this.#last
  }
}
