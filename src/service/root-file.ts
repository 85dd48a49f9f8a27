// The roots of a CA service in a file, for relying parties that are given files.

import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '../runtime/index.ts'
import type { Certificate } from '../x509/index.ts'
import { systemError } from './system-error.ts'

/** `root.pem`: every root of the trust bundle, written atomically. */
export class RootFile {
  readonly #path: string
  readonly #logger: Logger
  /** Writes do not overlap. */
  #writing: Promise<void> = Promise.resolve()

  constructor(directory: string, logger: Logger) {
    this.#path = join(directory, 'root.pem')
    this.#logger = logger
  }

  /** Resolves when the last given roots are in the file. */
  get settled(): Promise<void> {
    return this.#writing
  }

  /** Writes the roots, unless the file already has them. @throws ERR_STORE_UNAVAILABLE */
  async keep(roots: readonly Certificate[]): Promise<void> {
    const text = roots.map((root) => root.toPem()).join('')
    const kept = await readFile(this.#path, 'utf8').catch(() => undefined)
    if (kept === text) return
    try {
      await this.#replace(text)
    } catch (error) {
      throw systemError('createCaService', error, this.#path)
    }
  }

  async #replace(text: string): Promise<void> {
    const file = await open(`${this.#path}.new`, 'w', 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#path}.new`, this.#path)
  }

  /** Like `write`, after earlier writes; a failure is logged, and the next change or start writes again. */
  update(roots: readonly Certificate[]): Promise<void> {
    this.#writing = this.#writing
      .then(() => this.keep(roots))
      .catch((error: unknown) =>
        this.#logger.error({ reason: String(error) }, 'root.pem does not have the roots of the trust bundle'),
      )
    return this.#writing
  }
}
