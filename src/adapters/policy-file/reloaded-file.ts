// A file that can change while the service runs: its new content is used as a whole, or not at all.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { nameOf } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import { readText } from './read-text.ts'

/** How a file is reloaded. @inline */
export interface ReloadOptions {
  /** The interval at which the file is read, in milliseconds. Default 5,000; 0: only by `reload`. */
  readonly pollMs?: number | undefined
  readonly clock?: Clock | undefined
  /** Logs each policy that is loaded, and each that is refused. */
  readonly logger?: Logger | undefined
}

/** Parses the text of a file; throws to refuse it. */
type Parse<Value> = (text: string, path: string) => Promise<Value>

/** The current value of a file. */
export class ReloadedFile<Value> {
  readonly #path: string
  readonly #parse: Parse<Value>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #pollMs: number
  #text: string
  #value: Value
  /** The last logged reason: a repeated one is not logged again. */
  #refused: string | undefined
  #cancel: () => void = () => undefined
  #closed = false

  private constructor(
    path: string,
    parse: Parse<Value>,
    first: { readonly text: string; readonly value: Value },
    owner: string,
    { pollMs = 5000, clock = systemClock, logger }: ReloadOptions,
  ) {
    this.#path = path
    this.#parse = parse
    this.#text = first.text
    this.#value = first.value
    this.#clock = clock
    this.#logger = safeLogger(owner, logger)
    this.#pollMs = requireCount('pollMs', pollMs, 0)
    this.#schedule()
  }

  /** @throws what `readText` and `parse` throw; ERR_INVALID_ARGUMENT */
  static async open<Value>(
    owner: string,
    path: string,
    parse: Parse<Value>,
    options: ReloadOptions,
  ): Promise<ReloadedFile<Value>> {
    if (typeof path !== 'string' || path === '')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `${owner}: path must be the path of a file, found ${nameOf(path)}`,
      )
    const text = await readText(path)
    return new ReloadedFile(path, parse, { text, value: await parse(text, path) }, owner, options)
  }

  get value(): Value {
    return this.#value
  }

  /** Returns whether the value changed. @throws what `readText` and `parse` throw */
  async reload(): Promise<boolean> {
    const text = await readText(this.#path)
    if (text === this.#text || this.#closed) return false
    this.#value = await this.#parse(text, this.#path)
    this.#text = text
    this.#refused = undefined
    this.#logger.info({ file: this.#path }, 'policy loaded')
    return true
  }

  /** Stops polling; the last value remains. */
  close(): void {
    this.#closed = true
    this.#cancel()
  }

  #schedule(): void {
    if (this.#pollMs === 0 || this.#closed) return
    this.#cancel = this.#clock.schedule(() => {
      void this.#poll()
    }, this.#pollMs)
  }

  async #poll(): Promise<void> {
    try {
      await this.reload()
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown'
      if (reason !== this.#refused)
        this.#logger.error({ file: this.#path, reason }, 'policy refused; the previous one remains in use')
      this.#refused = reason
    }
    this.#schedule()
  }
}
