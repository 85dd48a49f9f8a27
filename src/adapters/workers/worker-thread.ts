// One thread of the pool, with its batches.

import { Worker } from 'node:worker_threads'
import { PkiError } from '../../errors/index.ts'
import type { CertificateRequest, PublicKey } from '../../x509/index.ts'
import { pack, unpack } from './worker-messages.ts'
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

/** A job and its waiting caller: a request to prove, or a certificate to sign. */
export type WorkerJob = {
  readonly signal: AbortSignal | undefined
  readonly resolve: (signature: Uint8Array) => void
  readonly reject: (error: Error) => void
} & (
  | { readonly request: CertificateRequest; readonly tbs?: undefined }
  | { readonly tbs: Uint8Array; readonly publicKey: PublicKey }
)

/** The callbacks of the pool for events of a thread. */
export interface ThreadEvents {
  /** A batch is about to be settled: the next one can be sent. */
  readonly answered: () => void
  /** Jobs were settled. */
  readonly settled: () => void
  /** The thread has ended; its jobs are rejected with ERR_WORKER_LOST. */
  readonly lost: (thread: WorkerThread) => void
}

/** A running thread. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #events: ThreadEvents
  readonly #batches = new Map<number, readonly WorkerJob[]>()
  #nextBatch = 0
  #running = 0
  #ended = false

  constructor(module: URL, setup: WorkerSetup, events: ThreadEvents) {
    this.#events = events
    this.#worker = new Worker(module, { workerData: setup })
    this.#worker.on('message', (reply: WorkerReply) => this.#settle(reply))
    this.#worker.on('error', (cause) => this.#lose(cause))
    this.#worker.on('exit', () => this.#lose(undefined))
    // After the listeners, which add a reference. A thread keeps the process alive only while it has jobs.
    this.#worker.unref()
  }

  /** The number of its jobs. */
  get running(): number {
    return this.#running
  }

  send(jobs: readonly WorkerJob[]): void {
    const batch = this.#nextBatch++
    const octets = pack(
      jobs.flatMap((job) =>
        job.tbs === undefined ? [job.request.der, nothing] : [job.publicKey.spki, job.tbs],
      ),
    )
    this.#batches.set(batch, jobs)
    if (this.#running === 0) this.#worker.ref()
    this.#running += jobs.length
    this.#worker.postMessage({ batch, jobs: octets } satisfies WorkerRequest, [octets.buffer])
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate()
  }

  #settle({ batch, signatures, failures }: WorkerReply): void {
    const jobs = this.#batches.get(batch)
    if (jobs === undefined) return
    this.#batches.delete(batch)
    this.#running -= jobs.length
    if (this.#running === 0) this.#worker.unref()
    // The thread gets its next batch before this thread processes the results.
    this.#events.answered()
    for (const { at, code, message } of failures ?? []) jobs[at]?.reject(new PkiError(code, message))
    unpack(signatures).forEach((signature, at) => jobs[at]?.resolve(signature))
    this.#events.settled()
  }

  #lose(cause: unknown): void {
    if (this.#ended) return
    this.#ended = true
    const jobs = [...this.#batches.values()].flat()
    this.#batches.clear()
    this.#running = 0
    for (const { reject } of jobs)
      reject(
        new PkiError('ERR_WORKER_LOST', 'the thread of the job ended before it returned a result', { cause }),
      )
    this.#events.lost(this)
  }
}

const nothing = new Uint8Array()
