// Values for one use: the contract, and the store in memory.

import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { systemClock } from '../../runtime/index.ts'
import type { Clock } from '../../runtime/index.ts'

/**
 * Values by key, each for one use. Both methods are atomic across all processes that share the store: of a
 * hundred concurrent calls, one succeeds. In SQL each method is one statement: INSERT … ON CONFLICT
 * DO NOTHING, DELETE … RETURNING.
 */
export interface OneTimeStore {
  /**
   * Stores a value until it expires; false if the key exists already and has not expired. @throws
   * ERR_STORE_FULL, ERR_STORE_UNAVAILABLE
   */
  add(key: string, value: string, expiresAt: Date): Promise<boolean>
  /**
   * Removes and returns the value; undefined if it does not exist or has expired. @throws
   * ERR_STORE_UNAVAILABLE
   */
  take(key: string): Promise<string | undefined>
}

/** Options of `createMemoryOneTimeStore`. @inline */
export interface MemoryOneTimeStoreOptions {
  /**
   * Maximum number of values; when the store is full, `add` is refused until some expire. Default 100,000.
   */
  readonly maxEntries?: number
  readonly clock?: Clock | undefined
}

/**
 * A `OneTimeStore` in the memory of one process; its contents are lost when the process ends.
 *
 * @example
 * ```ts
 * const store = createMemoryOneTimeStore()
 * ```
 * @throws ERR_INVALID_ARGUMENT
 */
export function createMemoryOneTimeStore(options: MemoryOneTimeStoreOptions = {}): OneTimeStore {
  const { maxEntries = 100_000, clock = systemClock } = readOptions<MemoryOneTimeStoreOptions>(
    'createMemoryOneTimeStore',
    options,
    { maxEntries: 'guard', clock: 'optional' },
  )
  return new MemoryOneTimeStore(requireCount('maxEntries', maxEntries, 1), clock)
}

class MemoryOneTimeStore implements OneTimeStore {
  readonly #entries = new Map<string, { readonly value: string; readonly expiresAt: number }>()
  readonly #maxEntries: number
  readonly #clock: Clock

  constructor(maxEntries: number, clock: Clock) {
    this.#maxEntries = maxEntries
    this.#clock = clock
  }

  async add(key: string, value: string, expiresAt: Date): Promise<boolean> {
    // NaN compares false with every time: the value would count as expired at once, and a second `add` would
    // succeed.
    if (!((expiresAt as unknown) instanceof Date) || Number.isNaN(expiresAt.getTime()))
      throw new PkiError('ERR_INVALID_ARGUMENT', 'expiresAt is not a valid date')
    const now = this.#clock.now()
    const known = this.#entries.get(key)
    if (known !== undefined && known.expiresAt > now) return false
    this.#entries.delete(key)
    if (this.#entries.size >= this.#maxEntries) this.#sweep(now)
    if (this.#entries.size >= this.#maxEntries)
      throw new PkiError('ERR_STORE_FULL', `${this.#maxEntries} unused values are stored, the maximum`)
    this.#entries.set(key, { value, expiresAt: expiresAt.getTime() })
    return true
  }

  async take(key: string): Promise<string | undefined> {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    return entry.expiresAt > this.#clock.now() ? entry.value : undefined
  }

  #sweep(now: number): void {
    for (const [key, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(key)
  }
}
