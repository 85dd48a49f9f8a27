// Threads that do the cryptography of certificates, for servers that sign thousands a second. Jobs travel in batches: a message each would
// cost as much as the signature saves.

import { Worker } from 'node:worker_threads'
import { PkiError } from '../../errors/index.ts'
import { checkCounts, requireCount } from '../../internal/numbers.ts'
import type { SoftwareSigner } from '../../keys/index.ts'
import type { CertificateRequest, PublicKey, SignatureAlgorithm } from '../../x509/index.ts'
import { proveAndSign } from '../../ca/index.ts'
import type { CertificateWorkers } from '../../ca/index.ts'
import { pack, unpack } from './worker-messages.ts'
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

/** Options of `CertificateWorkerPool`. */
export interface CertificateWorkerPoolOptions {
  /** The CA's. Its private key is handed to every thread. */
  readonly signer: SoftwareSigner
  /** Threads: 1 to 1,024. */
  readonly workers: number
  /**
   * Whether this thread proves and signs too, up to four certificates at a turn of its event loop, while every other thread has enough to do. It costs
   * no message, so a thread less makes as many; in exchange this one is busy. Default false.
   */
  readonly mainThreadHelps?: boolean | undefined
  /** Certificates a message: 1 to 1,024. Default 32. */
  readonly batchSize?: number | undefined
  /** The module that a thread runs, where it is not the file beside this one: in a bundle, or from source. */
  readonly workerModule?: URL | undefined
}

interface Pending {
  readonly request: CertificateRequest
  readonly tbs: Uint8Array
  readonly resolve: (signature: Uint8Array) => void
  readonly reject: (error: Error) => void
}

/** A batch that waits for room: one promise for all of it. */
interface Waiting {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  count: number
}

interface Thread {
  readonly worker: Worker
  readonly batches: Map<number, readonly Pending[]>
  /** Certificates in these batches. */
  running: number
}

/**
 * Proves requests, signs and checks on other threads; an `IssuanceService` takes it as `workers`.
 *
 * @example
 * ```ts
 * await using workers = new CertificateWorkerPool({ signer: await SoftwareSigner.generate('P-256'), workers: 2 })
 * const fast = createIssuanceService({ authority, workers })
 * ```
 */
export class CertificateWorkerPool implements CertificateWorkers, AsyncDisposable {
  /** The signer's. */
  readonly publicKey: PublicKey
  /** The signer's. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #signer: SoftwareSigner
  readonly #helps: boolean
  readonly #setup: WorkerSetup
  readonly #workerModule: URL
  readonly #batchSize: number
  readonly #threads: Thread[] = []
  readonly #size: number
  /** Certificates that are prepared ahead of their signature. */
  readonly #ahead: number
  readonly #queue: Pending[] = []
  /** Who waits for room. */
  readonly #waiting: Waiting[] = []
  #flushing = false
  #helping = false
  #madeHere = 0
  #nextBatch = 0
  #closed = false
  #drained: (() => void) | undefined

  /** @throws ERR_INVALID_ARGUMENT for no thread at all, or options that mean nothing */
  constructor(options: CertificateWorkerPoolOptions) {
    const {
      signer,
      workers,
      batchSize = 32,
      mainThreadHelps,
      workerModule,
    } = (options as CertificateWorkerPoolOptions | undefined) ?? ({} as Partial<CertificateWorkerPoolOptions>)
    if (typeof signer?.privateKey !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        'a pool has a SoftwareSigner, whose key its threads sign with',
      )
    checkCounts({ batchSize }, 1, 1024)
    this.#size = requireCount('workers', workers, 1, 1024)
    this.publicKey = signer.publicKey
    this.signatureAlgorithm = signer.signatureAlgorithm
    this.#signer = signer
    this.#helps = mainThreadHelps === true
    this.#setup = { privateKey: signer.privateKey(), pss: signer.algorithm.startsWith('RSA-PSS') }
    this.#batchSize = batchSize
    this.#workerModule = workerModule ?? new URL('./certificate-worker.js', import.meta.url)
    this.#ahead = batchSize * (this.#size * batchesAhead + 1)
    this.#startMissing()
  }

  /** Certificates that wait or are being signed. */
  get pending(): number {
    return this.#threads.reduce((count, { running }) => count + running, this.#queue.length + this.#madeHere)
  }

  /** @throws what `CertificateRequest.verify` throws, ERR_CA_SIGNATURE, ERR_WORKER_LOST, ERR_CLOSED */
  proveAndSign(request: CertificateRequest, tbs: Uint8Array): Promise<Uint8Array> {
    if (this.#closed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, tbs, resolve, reject })
      // Some leave at once: no thread waits while this one still reads requests.
      if (this.#queue.length % this.#batchSize === 0) this.#flush()
      else this.#flushSoon()
    })
  }

  /** @throws ERR_CLOSED */
  room(): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.pending < this.#ahead) return undefined
    const last = this.#waiting.at(-1)
    if (last !== undefined && last.count < this.#batchSize) {
      last.count++
      return last.promise
    }
    let settle: Pick<Waiting, 'resolve' | 'reject'> | undefined
    const promise = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
    this.#waiting.push({ ...(settle as unknown as Pick<Waiting, 'resolve' | 'reject'>), promise, count: 1 })
    this.#flushSoon()
    return promise
  }

  /** Lets what is pending end, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  /** What arrived in this turn of the event loop travels together. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /** Two batches a thread: one that it works on, and one that waits for it; and never more than its share, so that all end together. */
  #flush(): void {
    if (this.#queue.length > 0) this.#startMissing()
    const makers = this.#threads.length + (this.#helps ? 1 : 0)
    while (this.#queue.length > 0) {
      const [thread] = [...this.#threads].sort((a, b) => a.running - b.running)
      const share = Math.min(
        batchesAhead * this.#batchSize,
        Math.ceil((this.pending + this.#waiting.length * this.#batchSize) / makers),
      )
      if (thread === undefined || thread.running >= share) {
        this.#help()
        break
      }
      this.#send(thread, this.#queue.splice(0, Math.min(this.#batchSize, share - thread.running)))
    }
    this.#admit()
  }

  /** A batch at a turn of the event loop, as long as there is room. They come back by `proveAndSign`, or never: a policy refused them. */
  #admit(): void {
    if (this.#waiting.length === 0 || this.pending >= this.#ahead) return
    this.#waiting.shift()?.resolve()
    this.#flushSoon()
  }

  /** A few certificates, then whatever else this thread has to do. */
  #help(): void {
    if (!this.#helps || this.#helping) return
    this.#helping = true
    setImmediate(() => {
      void this.#makeHere().then(() => {
        this.#helping = false
        this.#flush()
        if (this.pending === 0) this.#drained?.()
      })
    })
  }

  async #makeHere(): Promise<void> {
    for (let made = 0; made < helpAtOnce; made++) {
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#madeHere = 1
      try {
        next.resolve(await proveAndSign(next.request, next.tbs, this.#signer))
      } catch (error) {
        next.reject(error as Error)
      }
      this.#madeHere = 0
    }
  }

  #send(thread: Thread, batch: readonly Pending[]): void {
    const id = this.#nextBatch++
    const jobs = pack(batch.flatMap(({ request, tbs }) => [request.der, tbs]))
    thread.batches.set(id, batch)
    if (thread.running === 0) thread.worker.ref()
    thread.running += batch.length
    thread.worker.postMessage({ batch: id, jobs } satisfies WorkerRequest, [jobs.buffer])
  }

  #startMissing(): void {
    while (this.#threads.length < this.#size) this.#threads.push(this.#start())
  }

  #start(): Thread {
    const worker = new Worker(this.#workerModule, { workerData: this.#setup })
    const thread: Thread = { worker, batches: new Map(), running: 0 }
    worker.on('message', (reply: WorkerReply) => this.#settle(thread, reply))
    worker.on('error', (cause) => this.#lost(thread, cause))
    worker.on('exit', () => this.#lost(thread, undefined))
    // After the listeners, which undo it. A thread keeps its program alive as long as somebody waits for it, and no longer.
    worker.unref()
    return thread
  }

  #settle(thread: Thread, { batch: id, signatures, failures }: WorkerReply): void {
    const batch = thread.batches.get(id)
    if (batch === undefined) return
    thread.batches.delete(id)
    thread.running -= batch.length
    if (thread.running === 0) thread.worker.unref()
    // The thread gets its next before this one is busy with what it made.
    this.#flush()
    for (const { at, code, message } of failures ?? []) batch[at]?.reject(new PkiError(code, message))
    unpack(signatures).forEach((signature, at) => batch[at]?.resolve(signature))
    if (this.pending === 0) this.#drained?.()
  }

  /**
   * Only what the thread was working on is lost. Another takes its place when there is work for it, and no sooner: a thread that cannot even start
   * (a bundle without its module) would be started for ever.
   */
  #lost(thread: Thread, cause: unknown): void {
    const place = this.#threads.indexOf(thread)
    if (place < 0) return
    const doomed = [...thread.batches.values()].flat()
    thread.batches.clear()
    this.#threads.splice(place, 1)
    for (const { reject } of doomed)
      reject(new PkiError('ERR_WORKER_LOST', 'the thread that signed the certificate ended', { cause }))
    // Also when it is being closed: what waits is made first, by another thread if need be.
    this.#flush()
    if (this.pending === 0) this.#drained?.()
  }
}

function closed(): PkiError {
  return new PkiError('ERR_CLOSED', 'the worker pool was closed')
}

const batchesAhead = 2
/** Certificates that this thread makes at a turn of its event loop. */
const helpAtOnce = 4
