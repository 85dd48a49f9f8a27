// Concurrent writes of one kind share a transaction: writes that arrive during one commit are in the next
// one.

import { PkiError, isPkiError } from '../../../errors/index.ts'
import { isOfValue, storeError } from '../store-errors.ts'

/** The result of one write of a batch: the refusal of one does not affect the others. */
export type Settled<Answer> = { readonly answer: Answer } | { readonly refusal: PkiError }

/** One kind of write. */
export interface LaneOptions<Write, Answer> {
  /** Writes a batch in one transaction, and returns a result for each, in their order. */
  readonly execute: (batch: readonly Write[]) => Promise<readonly Settled<Answer>[]>
  /** Keys that no two writes of a batch share. */
  readonly keysOf: (write: Write) => readonly string[]
  readonly octetsOf: (write: Write) => number
  readonly maxBatch: number
}

interface Waiting<Write, Answer> {
  readonly write: Write
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: PkiError) => void
}

/** Writes one batch at a time. */
export class WriteLane<Write, Answer> {
  readonly #options: LaneOptions<Write, Answer>
  #queue: Waiting<Write, Answer>[] = []
  #isRunning = false

  constructor(options: LaneOptions<Write, Answer>) {
    this.#options = options
  }

  /** Resolves when the write is durable. @throws the error of its refusal; ERR_STORE_UNAVAILABLE */
  add(write: Write): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ write, resolve, reject })
      if (this.#isRunning) return
      this.#isRunning = true
      // All calls in the same turn of the event loop are in the first batch.
      setImmediate(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#perform(this.#take())
    this.#isRunning = false
  }

  /**
   * The first writes of the queue, up to one that shares a key with another: it must see the result of the
   * other write.
   */
  #take(): readonly Waiting<Write, Answer>[] {
    const { keysOf, octetsOf, maxBatch } = this.#options
    const keys = new Set<string>()
    let [count, octets] = [0, 0]
    for (const { write } of this.#queue) {
      const own = keysOf(write)
      octets += octetsOf(write)
      if (count === maxBatch || (count > 0 && octets > maxBatchOctets) || own.some((key) => keys.has(key)))
        break
      for (const key of own) keys.add(key)
      count++
    }
    return this.#queue.splice(0, count)
  }

  /**
   * A value that the server refuses fails the whole batch: the two halves are tried separately until only
   * that write fails.
   */
  async #perform(batch: readonly Waiting<Write, Answer>[]): Promise<void> {
    try {
      const settled = await this.#options.execute(batch.map(({ write }) => write))
      batch.forEach(({ resolve, reject }, at) => {
        const one = settled[at]
        if (one === undefined) reject(new PkiError('ERR_INTERNAL', 'a write of a batch has no result'))
        else if ('refusal' in one) reject(one.refusal)
        else resolve(one.answer)
      })
    } catch (error) {
      if (isOfValue(error) && batch.length > 1) {
        const half = Math.ceil(batch.length / 2)
        await this.#perform(batch.slice(0, half))
        await this.#perform(batch.slice(half))
        return
      }
      for (const { reject } of batch) reject(isPkiError(error) ? error : storeError(error))
    }
  }
}

/** The maximum size of a batch, because one message to the server contains all of it. */
const maxBatchOctets = 4 * 1024 * 1024
