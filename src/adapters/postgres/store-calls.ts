// The calls of a store: how many may wait, and why it does not write.

import { PkiError, isPkiError } from '../../errors/index.ts'
import { storeError } from './store-errors.ts'

/** Counts the calls without a result. */
export class StoreCalls {
  readonly #maxQueued: number
  #failure: PkiError | undefined
  #pending = 0
  #isClosed = false
  #idle: (() => void) | undefined

  constructor(maxQueued: number) {
    this.#maxQueued = maxQueued
  }

  /** Calls that are not answered yet. */
  get pending(): number {
    return this.#pending
  }

  /** The error of the last write that failed. */
  get failure(): PkiError | undefined {
    return this.#failure
  }

  /** @throws ERR_CLOSED, ERR_OVERLOADED; what the call throws, as an error of this package */
  read<Answer>(perform: () => Promise<Answer>): Promise<Answer> {
    return this.#call(perform, 4 * this.#maxQueued)
  }

  /**
   * Started work is completed: at the limit itself only intents are refused, because all other calls follow
   * from them.
   */
  async write<Answer>(perform: () => Promise<Answer>, isIntent = false): Promise<Answer> {
    try {
      const answer = await this.#call(perform, isIntent ? this.#maxQueued : 4 * this.#maxQueued)
      this.#failure = undefined
      return answer
    } catch (error) {
      if (isPkiError(error, 'ERR_STORE_UNAVAILABLE')) this.#failure = error
      throw error
    }
  }

  /** Refuses later calls, and waits for those that are pending. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#pending === 0) return
    await new Promise<void>((resolve) => {
      const before = this.#idle
      this.#idle = () => {
        before?.()
        resolve()
      }
    })
  }

  async #call<Answer>(perform: () => Promise<Answer>, limit: number): Promise<Answer> {
    if (this.#isClosed) throw new PkiError('ERR_CLOSED', 'the store was closed')
    if (this.#pending >= limit)
      throw new PkiError(
        'ERR_OVERLOADED',
        `${this.#pending} calls wait for the store; the maximum is ${limit}`,
      )
    this.#pending++
    try {
      return await perform()
    } catch (error) {
      throw storeError(error)
    } finally {
      if (--this.#pending === 0) this.#idle?.()
    }
  }
}
