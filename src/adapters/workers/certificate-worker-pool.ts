// Threads for the cryptography of certificates, for servers that sign thousands per second.

import { PkiError } from '../../errors/index.ts'
import { requireOctets } from '../../internal/bytes.ts'
import { requireCount } from '../../internal/numbers.ts'
import { checkFlags } from '../../internal/option-types.ts'
import { readOptions } from '../../internal/options.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import type { SoftwareSigner } from '../../keys/index.ts'
import { CertificateRequest } from '../../x509/index.ts'
import type { PublicKey, SignatureAlgorithm } from '../../x509/index.ts'
import type { SignOptions } from '../../x509/internal.ts'
import type { CertificateWorkers } from '../../ca/internal.ts'
import { proveRequest, signCertificate } from './certificate-job.ts'
import type { WorkerSetup } from './worker-messages.ts'
import { WorkerThread } from './worker-thread.ts'
import type { ThreadEvents, WorkerJob } from './worker-thread.ts'

/** Options of `CertificateWorkerPool`. @inline */
export interface CertificateWorkerPoolOptions {
  /** The signer of the CA. Every thread gets its private key. */
  readonly signer: SoftwareSigner
  /** Number of threads: 1 to 1,024. */
  readonly workers: number
  /**
   * Whether this thread runs jobs too, a few per turn of its event loop, while every other thread has enough
   * jobs. It needs no messages, so one thread less achieves the same rate; in exchange this thread is busy.
   * Default false.
   */
  readonly mainThreadHelps?: boolean | undefined
  /** Jobs per message: 1 to 1,024. Default 32. */
  readonly batchSize?: number | undefined
  /**
   * Maximum number of requests that wait for their proof; further ones are refused with ERR_OVERLOADED.
   * Signatures are never refused. Default 10,000.
   */
  readonly maxQueued?: number | undefined
  /**
   * The module that a thread runs, if it is not the file in the directory of this one: in a bundle, or from
   * source.
   */
  readonly workerModule?: URL | undefined
}

/**
 * Verifies requests and signs on other threads, for one CA key: the option `workers` of
 * `createCertificateAuthority`. The code that creates a pool must dispose of it, after the CA's last
 * certificate.
 *
 * @example
 * ```ts
 * const poolKey = await SoftwareSigner.generate('P-256')
 * await using workers = new CertificateWorkerPool({ signer: poolKey, workers: 2 })
 * const poolRoot = await createRootCertificate(poolKey, { subject: 'CN=root', trustDomain: 'example.org' })
 * const fast = createCertificateAuthority({
 *   trustDomain: 'example.org', certificate: poolRoot, signer: poolKey, workers,
 * })
 * ```
 */
export class CertificateWorkerPool implements CertificateWorkers, AsyncDisposable {
  /** The public key of the signer. */
  readonly publicKey: PublicKey
  /** The signature algorithm of the signer. */
  readonly signatureAlgorithm: SignatureAlgorithm
  readonly #signer: SoftwareSigner
  readonly #helps: boolean
  readonly #setup: WorkerSetup
  readonly #workerModule: URL
  readonly #batchSize: number
  readonly #maxQueued: number
  readonly #size: number
  readonly #threads: WorkerThread[] = []
  readonly #events: ThreadEvents
  /**
   * Signatures run before proofs: started certificates are finished first, so that few are prepared and
   * unsigned.
   */
  readonly #toSign: WorkerJob[] = []
  readonly #toProve: WorkerJob[] = []
  #flushing = false
  #helping = false
  /** The number of jobs that this thread is running. */
  #here = 0
  #closed = false
  #drained: (() => void) | undefined

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: CertificateWorkerPoolOptions) {
    const read = readOptions('CertificateWorkerPool', options, {
      signer: 'required',
      workers: 'required',
      mainThreadHelps: 'optional',
      batchSize: 'optional',
      maxQueued: 'optional',
      workerModule: 'optional',
    })
    const { signer } = read
    checkFlags('CertificateWorkerPool', { mainThreadHelps: read.mainThreadHelps })
    if (typeof (Object(signer) as Partial<SoftwareSigner>).privateKey !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `CertificateWorkerPool: signer must be a SoftwareSigner, found ${nameOf(signer)}`,
      )
    this.#size = requireCount('workers', read.workers, 1, 1024)
    this.#batchSize = requireCount('batchSize', read.batchSize ?? 32, 1, 1024)
    this.#maxQueued = requireCount('maxQueued', read.maxQueued ?? 10_000, 1, Infinity)
    this.publicKey = signer.publicKey
    this.signatureAlgorithm = signer.signatureAlgorithm
    this.#signer = signer
    this.#helps = read.mainThreadHelps === true
    this.#setup = { privateKey: signer.privateKey(), pss: signer.algorithm.startsWith('RSA-PSS') }
    this.#workerModule = read.workerModule ?? new URL('./certificate-worker.js', import.meta.url)
    this.#events = {
      answered: () => this.#flush(),
      settled: () => this.#noteSettled(),
      lost: (thread) => this.#forget(thread),
    }
    this.#startMissing()
  }

  /** The number of waiting and running jobs. */
  get pending(): number {
    const queued = this.#toSign.length + this.#toProve.length
    return this.#threads.reduce((count, { running }) => count + running, queued + this.#here)
  }

  /**
   * @throws as `CertificateRequest.verify`; ERR_OVERLOADED, ERR_ABORTED, ERR_WORKER_LOST, ERR_CLOSED
   */
  async prove(request: CertificateRequest, options?: SignOptions): Promise<void> {
    if (this.#toProve.length >= this.#maxQueued)
      throw new PkiError(
        'ERR_OVERLOADED',
        `${this.#maxQueued} requests wait for a certificate worker, the maximum`,
      )
    const { signal } = read('prove', options)
    if (!(request instanceof CertificateRequest))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `prove: expected a CertificateRequest, found ${nameOf(request)}`,
      )
    await new Promise<Uint8Array>((resolve, reject) => {
      this.#add(this.#toProve, { request, signal, resolve, reject })
    })
  }

  /**
   * @throws ERR_CA_MATERIAL if `tbs` certifies another key than `publicKey`; ERR_DER, ERR_ABORTED,
   * ERR_WORKER_LOST, ERR_CLOSED, ERR_INVALID_ARGUMENT
   */
  sign(tbs: Uint8Array, publicKey: PublicKey, options?: SignOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const { signal } = read('sign', options)
      // Later, in a batch with others, a TypeError would end the process.
      requireOctets(tbs, 'sign: the TBSCertificate')
      requireOctets((Object(publicKey) as PublicKey).spki, 'sign: the SPKI of the key')
      this.#add(this.#toSign, { tbs, publicKey, signal, resolve, reject })
    })
  }

  /** Waits for the pending jobs, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    await Promise.all(this.#threads.map((thread) => thread.terminate()))
  }

  #add(queue: WorkerJob[], job: WorkerJob): void {
    if (this.#closed) {
      job.reject(new PkiError('ERR_CLOSED', 'the worker pool was closed'))
      return
    }
    queue.push(job)
    // A full batch is sent at once, so that no thread is idle while this one still reads requests.
    if (queue.length % this.#batchSize === 0) this.#flush()
    else this.#flushSoon()
  }

  /** Jobs that arrive in the same turn of the event loop are sent together. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /**
   * Two batches per thread: one in progress and one waiting; and never more than the thread's share, so that
   * all threads end together.
   */
  #flush(): void {
    if (this.#queued > 0) this.#startMissing()
    const makers = this.#threads.length + (this.#helps ? 1 : 0)
    while (this.#queued > 0) {
      const thread = this.#leastBusy()
      const share = Math.min(batchesAhead * this.#batchSize, Math.ceil(this.pending / makers))
      if (thread === undefined || thread.running >= share) {
        this.#help()
        break
      }
      const jobs = this.#take(Math.min(this.#batchSize, share - thread.running))
      if (jobs.length > 0) thread.send(jobs)
    }
    if (this.#queued === 0) this.#noteSettled()
  }

  get #queued(): number {
    return this.#toSign.length + this.#toProve.length
  }

  #leastBusy(): WorkerThread | undefined {
    let least: WorkerThread | undefined
    for (const thread of this.#threads)
      if (least === undefined || thread.running < least.running) least = thread
    return least
  }

  /** The next jobs; those that were aborted while waiting are rejected. */
  #take(count: number): WorkerJob[] {
    const jobs = this.#toSign.splice(0, count)
    if (jobs.length < count) jobs.push(...this.#toProve.splice(0, count - jobs.length))
    return jobs.filter(({ signal, reject }) => {
      if (signal?.aborted !== true) return true
      reject(new PkiError('ERR_ABORTED', 'the job was aborted by its signal while it waited'))
      return false
    })
  }

  /** Runs a few jobs on this thread, then yields to its other work. */
  #help(): void {
    if (!this.#helps || this.#helping) return
    this.#helping = true
    setImmediate(() => {
      void this.#workHere().then(() => {
        this.#helping = false
        this.#flush()
      })
    })
  }

  async #workHere(): Promise<void> {
    const jobs = this.#take(helpAtOnce)
    this.#here = jobs.length
    for (const job of jobs) {
      try {
        if (job.tbs === undefined) {
          await proveRequest(job.request)
          job.resolve(nothing)
        } else {
          job.resolve(await signCertificate(job.tbs, job.publicKey.spki, this.#signer))
        }
      } catch (error) {
        job.reject(error as Error)
      }
      this.#here--
    }
  }

  #startMissing(): void {
    while (this.#threads.length < this.#size)
      this.#threads.push(new WorkerThread(this.#workerModule, this.#setup, this.#events))
  }

  #noteSettled(): void {
    if (this.pending === 0) this.#drained?.()
  }

  /**
   * A lost thread is replaced only when there is work: a thread that cannot start at all (a bundle without
   * its module) would otherwise be started in an endless loop.
   */
  #forget(thread: WorkerThread): void {
    const place = this.#threads.indexOf(thread)
    if (place >= 0) this.#threads.splice(place, 1)
    // Also while the pool closes: waiting jobs are completed first, by another thread if necessary.
    this.#flush()
  }
}

function read(caller: string, options: SignOptions | undefined): SignOptions {
  return options === undefined ? noOptions : readOptions(caller, options, { signal: 'optional' })
}

const noOptions: SignOptions = {}
const nothing = new Uint8Array()
// Jobs are sent in batches: one message per job would cost as much as the thread saves.
const batchesAhead = 2
/** Jobs that this thread runs per turn of its event loop. */
const helpAtOnce = 8
