// The main thread's view of the store thread: a bounded queue, requests of many operations, and the failure
// of pending calls when the thread ends.

import { Worker } from 'node:worker_threads'
import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import type {
  StoreFailure,
  StoreMessage,
  StoreOperations,
  StoreReply,
  StoreRequest,
  StoreSetup,
} from './messages.ts'

interface Call {
  readonly resolve: (answer: never) => void
  readonly reject: (error: PkiError) => void
}

/** The settings of a thread. */
export interface StoreThreadOptions {
  readonly workerModule: URL
  readonly setup: StoreSetup
  readonly maxQueued: number
  readonly clock: Clock
}

/** Calls into the thread. */
export class StoreThread {
  readonly #worker: Worker
  readonly #clock: Clock
  readonly #maxQueued: number
  readonly #calls = new Map<number, Call>()
  readonly #opened: Promise<void>
  readonly #ended: Promise<void>
  #settleOpened: (error?: PkiError) => void = () => undefined
  #queue: StoreRequest['operations'][number][] = []
  #nextId = 0
  #isClosed = false
  #flushing = false
  /** Why the thread accepts no further calls. */
  #end: PkiError | undefined
  #unavailable: StoreFailure | undefined

  private constructor({ workerModule, setup, maxQueued, clock }: StoreThreadOptions) {
    this.#clock = clock
    this.#maxQueued = maxQueued
    this.#worker = new Worker(workerModule, { workerData: setup })
    this.#opened = new Promise((resolve, reject) => {
      this.#settleOpened = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#worker.on('message', (reply: StoreReply) => this.#receive(reply))
    this.#worker.on('error', (cause) => this.#stop(lost(setup.path, cause)))
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#stop(lost(setup.path, undefined))
        resolve()
      })
    })
  }

  /** Starts the thread and waits until it has opened the store. @throws as `openStore` */
  static async open(options: StoreThreadOptions): Promise<StoreThread> {
    const thread = new StoreThread(options)
    await thread.#opened
    // A thread keeps the process alive only while it has calls.
    thread.#worker.unref()
    return thread
  }

  /** The number of calls without a result. */
  get pending(): number {
    return this.#calls.size
  }

  /** Why the store cannot write. */
  get failure(): PkiError | undefined {
    return this.#end ?? (this.#unavailable && errorOf(this.#unavailable))
  }

  /**
   * Queues an operation. Its octets must not change until the result arrives: they are copied when the
   * request is sent.
   */
  call<Name extends keyof StoreOperations>(
    name: Name,
    ...args: Parameters<StoreOperations[Name]>
  ): Promise<ReturnType<StoreOperations[Name]>> {
    const refusal = this.#refusal(name)
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#begin((id) => {
      // A full request is sent at once, so that the thread is not idle while this one still works.
      if (this.#queue.push([id, name, args]) >= requestSize) this.#flush()
      else this.#flushSoon()
    })
  }

  /** Copies a snapshot of the file into an empty file; other calls continue. */
  copyTo(path: string): Promise<void> {
    const refusal = this.#refusal('search')
    if (refusal !== undefined) return Promise.reject(refusal)
    return this.#begin((id) => {
      this.#flush()
      this.#post({ id, copyTo: path })
    })
  }

  #begin<Answer>(send: (id: number) => void): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const id = this.#nextId++
      if (this.#calls.size === 0) this.#worker.ref()
      this.#calls.set(id, { resolve, reject })
      send(id)
    })
  }

  #post(message: StoreMessage): void {
    this.#worker.postMessage(message)
  }

  /** Waits for the pending calls, then ends the thread. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#flush()
      if (this.#end === undefined) this.#worker.ref()
      this.#post(null)
    }
    await this.#ended
  }

  /**
   * Started work is completed: at the limit itself only intents are refused, because all other calls follow
   * from them.
   */
  #refusal(name: keyof StoreOperations): PkiError | undefined {
    if (this.#isClosed) return new PkiError('ERR_CLOSED', 'the store was closed')
    if (this.#end !== undefined) return this.#end
    const limit = name === 'intent' ? this.#maxQueued : this.#maxQueued * 4
    if (this.#calls.size < limit) return undefined
    return new PkiError(
      'ERR_OVERLOADED',
      `${this.#calls.size} calls are waiting for the store; the maximum is ${limit}`,
    )
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#queue.length === 0) return
    const operations = this.#queue
    this.#queue = []
    this.#post({ nowMs: this.#clock.now(), operations })
  }

  #receive(reply: StoreReply): void {
    if (reply.kind === 'open') this.#settleOpened()
    else if (reply.kind === 'failed') this.#stop(errorOf(reply.failure))
    else {
      if (reply.unavailable !== undefined) this.#unavailable = reply.unavailable ?? undefined
      for (const [id, failure, answer] of reply.answers) this.#settle(id, failure, answer)
      if (this.#calls.size === 0 && !this.#isClosed) this.#worker.unref()
    }
  }

  #settle(id: number, failure: StoreFailure | null, answer: unknown): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (failure === null) call?.resolve(answer as never)
    else call?.reject(errorOf(failure))
  }

  #stop(error: PkiError): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#settleOpened(error)
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    this.#queue = []
    for (const { reject } of calls) reject(error)
  }
}

function errorOf({ code, message }: StoreFailure): PkiError {
  return new PkiError(code, message)
}

function lost(path: string, cause: unknown): PkiError {
  return new PkiError(
    'ERR_STORE_FAILED',
    `${path}: the thread of the store ended; the outcome of its calls is unknown`,
    {
      cause,
    },
  )
}

/** The number of operations in a request that is sent before the end of the turn. */
const requestSize = 16
