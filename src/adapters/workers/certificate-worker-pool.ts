// Threads that make certificates, for servers that sign thousands a second. Jobs travel in batches: a message each would cost as much as
// the signature saves.

import { Worker } from 'node:worker_threads'
import { PkiError } from '../../errors/index.ts'
import type { SoftwareSigner } from '../../keys/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateRequest } from '../../x509/index.ts'
import type { CertificateAuthorityOptions, CertificateContent } from '../../ca/index.ts'
import type { CertificateWorkers } from '../../issuance/index.ts'
import { plainContent } from './worker-messages.ts'
import type { WorkerJob, WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

/** Options of `CertificateWorkerPool`: those of the authority, whose key must be a software key. */
export interface CertificateWorkerPoolOptions extends Omit<CertificateAuthorityOptions, 'signer' | 'clock' | 'store' | 'revocationListTtlSeconds'> {
  readonly signer: SoftwareSigner
  /** Threads. */
  readonly workers: number
  /** Certificates a message. Default 16. */
  readonly batchSize?: number | undefined
  /** The module that a thread runs, where it is not the file beside this one: in a bundle, or from source. */
  readonly workerModule?: URL | undefined
}

interface Pending {
  readonly request: CertificateRequest
  readonly content: CertificateContent
  readonly serialNumber: Uint8Array
  readonly resolve: (certificate: Certificate) => void
  readonly reject: (error: Error) => void
}

interface Thread {
  worker: Worker
  readonly running: Map<number, Pending>
}

/** Makes certificates on other threads; `pending` certificates wait or are being made. */
export class CertificateWorkerPool implements CertificateWorkers, AsyncDisposable {
  readonly #setup: WorkerSetup
  readonly #workerModule: URL
  readonly #batchSize: number
  readonly #threads: Thread[] = []
  readonly #queue: Pending[] = []
  #flushing = false
  #nextId = 0
  #closed = false
  #drained: (() => void) | undefined

  /** @throws ERR_INVALID_ARGUMENT for no thread at all */
  constructor(options: CertificateWorkerPoolOptions) {
    const { certificate, signer, chain = [], roots = [certificate], workers } = options
    if (!Number.isInteger(workers) || workers < 1 || workers > 1024) throw new PkiError('ERR_INVALID_ARGUMENT', `${workers} workers; 1 to 1024 are wanted`)
    const der = (list: readonly Certificate[]): Uint8Array[] => list.map((one) => Uint8Array.from(one.der))
    this.#setup = {
      trustDomain: TrustDomain.from(options.trustDomain).name, certificate: Uint8Array.from(certificate.der), chain: der(chain), roots: der(roots),
      privateKey: signer.privateKey(), pss: signer.algorithm.startsWith('RSA-PSS'), profile: options.profile,
    }
    this.#batchSize = options.batchSize ?? 16
    this.#workerModule = options.workerModule ?? new URL('./certificate-worker.js', import.meta.url)
    for (let i = 0; i < workers; i++) this.#threads.push(this.#start())
  }

  /** Certificates that wait or are being made. */
  get pending(): number {
    return this.#threads.reduce((count, { running }) => count + running.size, this.#queue.length)
  }

  /**
   * Proves, prepares, lints, signs and checks on another thread.
   *
   * @throws what `CertificateRequest.verify` and the authority throw; ERR_WORKER_LOST, ERR_CLOSED
   */
  issue(request: CertificateRequest, content: CertificateContent, serialNumber: Uint8Array): Promise<Certificate> {
    if (this.#closed) return Promise.reject(new PkiError('ERR_CLOSED', 'the worker pool was closed'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, content, serialNumber, resolve, reject })
      // A full batch leaves at once: no thread waits while this one still reads requests.
      if (this.#queue.length === this.#batchSize) this.#flush()
      if (this.#flushing) return
      this.#flushing = true
      // What arrived in this turn of the event loop travels together.
      setImmediate(() => {
        this.#flushing = false
        this.#flush()
      })
    })
  }

  /** Lets what is pending end, then ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    if (this.pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve))
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()))
  }

  /** Two batches a thread: one that it works on, and one that waits for it. */
  #flush(): void {
    while (this.#queue.length > 0) {
      const [thread] = [...this.#threads].sort((a, b) => a.running.size - b.running.size)
      if (thread === undefined || thread.running.size >= 2 * this.#batchSize) return
      // Small loads are shared, not sent to one thread whole.
      const share = Math.ceil(this.#queue.length / (2 * this.#threads.length))
      this.#send(thread, this.#queue.splice(0, Math.min(this.#batchSize, share)))
    }
  }

  #send(thread: Thread, batch: readonly Pending[]): void {
    const bytes = new Uint8Array(batch.reduce((length, { request }) => length + request.der.length, 0))
    let at = 0
    const jobs = batch.map((pending): WorkerJob => {
      const { der } = pending.request
      const job = { id: this.#nextId++, at, length: der.length, serialNumber: pending.serialNumber, content: plainContent(pending.content) }
      bytes.set(der, at)
      at += der.length
      thread.running.set(job.id, pending)
      return job
    })
    thread.worker.postMessage({ jobs, bytes } satisfies WorkerRequest, [bytes.buffer])
  }

  #start(): Thread {
    const worker = new Worker(this.#workerModule, { workerData: this.#setup })
    worker.unref()
    const thread: Thread = { worker, running: new Map() }
    worker.on('message', (reply: WorkerReply) => this.#settle(thread, reply))
    worker.on('error', () => this.#lost(thread))
    worker.on('exit', () => this.#lost(thread))
    return thread
  }

  #settle(thread: Thread, { results, bytes }: WorkerReply): void {
    for (const result of results) {
      const pending = thread.running.get(result.id)
      thread.running.delete(result.id)
      if (pending === undefined) continue
      if ('code' in result) pending.reject(new PkiError(result.code, result.message))
      // A copy: a certificate that is kept must not keep its whole batch.
      else pending.resolve(Certificate.parse(bytes.slice(result.at, result.at + result.length)))
    }
    this.#flush()
    if (this.pending === 0) this.#drained?.()
  }

  /** Only what the thread was working on is lost; another takes its place. */
  #lost(thread: Thread): void {
    const place = this.#threads.indexOf(thread)
    if (place < 0) return
    const doomed = [...thread.running.values()]
    thread.running.clear()
    if (this.#closed) this.#threads.splice(place, 1)
    else this.#threads[place] = this.#start()
    for (const { reject } of doomed) reject(new PkiError('ERR_WORKER_LOST', 'the thread that made the certificate ended'))
    if (!this.#closed) this.#flush()
    if (this.pending === 0) this.#drained?.()
  }
}
