// Threads that make certificates, for servers that sign thousands a second. Jobs travel in batches: a message each would cost as much as
// the signature saves.

import { Worker } from 'node:worker_threads'
import { PkiError } from '../../errors/index.ts'
import type { SoftwareSigner } from '../../keys/index.ts'
import { TrustDomain } from '../../spiffe/index.ts'
import { Certificate } from '../../x509/index.ts'
import type { CertificateRequest } from '../../x509/index.ts'
import { createCertificateAuthority } from '../../ca/index.ts'
import type { CertificateAuthority, CertificateAuthorityOptions, CertificateContent } from '../../ca/index.ts'
import type { CertificateWorkers } from '../../issuance/index.ts'
import { plainContent } from './worker-messages.ts'
import type { WorkerJob, WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.ts'

/** Options of `CertificateWorkerPool`: those of the authority, whose key must be a software key. */
export interface CertificateWorkerPoolOptions extends Omit<CertificateAuthorityOptions, 'signer' | 'clock' | 'store' | 'revocationListTtlSeconds'> {
  /** Its private key is handed to every thread. */
  readonly signer: SoftwareSigner
  /** Threads. */
  readonly workers: number
  /**
   * Whether this thread makes certificates too, one at a turn of its event loop, while every other thread has enough to do. It costs no
   * message and no second reading of the request, so a thread less makes as many; in exchange this one is busy. Default false.
   */
  readonly mainThreadHelps?: boolean | undefined
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
  /** The CA certificate that is signed for. */
  readonly certificate: Certificate
  readonly #setup: WorkerSetup
  readonly #workerModule: URL
  readonly #batchSize: number
  readonly #threads: Thread[] = []
  readonly #size: number
  /** Present where this thread helps. */
  readonly #here: CertificateAuthority | undefined
  readonly #queue: Pending[] = []
  #flushing = false
  #helping = false
  #madeHere = 0
  #nextId = 0
  #closed = false
  #drained: (() => void) | undefined

  /** @throws ERR_INVALID_ARGUMENT for no thread at all, or options that mean nothing */
  constructor(options: CertificateWorkerPoolOptions) {
    const given = options as Partial<CertificateWorkerPoolOptions> | undefined
    if (given?.certificate === undefined || typeof given.signer?.privateKey !== 'function') throw new PkiError('ERR_INVALID_ARGUMENT', 'a pool has the certificate of a CA, and a SoftwareSigner that signs for it')
    const { certificate, signer, chain = [], roots = [certificate], workers } = options
    if (!Number.isInteger(workers) || workers < 1 || workers > 1024) throw new PkiError('ERR_INVALID_ARGUMENT', `${workers} workers; 1 to 1024 are wanted`)
    this.certificate = certificate
    const der = (list: readonly Certificate[]): Uint8Array[] => list.map((one) => Uint8Array.from(one.der))
    this.#setup = {
      trustDomain: TrustDomain.from(options.trustDomain).name, certificate: Uint8Array.from(certificate.der), chain: der(chain), roots: der(roots),
      privateKey: signer.privateKey(), pss: signer.algorithm.startsWith('RSA-PSS'), profile: options.profile,
    }
    if (options.mainThreadHelps === true) this.#here = createCertificateAuthority({ trustDomain: options.trustDomain, certificate, signer, chain, roots, profile: options.profile })
    this.#batchSize = options.batchSize ?? 16
    this.#workerModule = options.workerModule ?? new URL('./certificate-worker.js', import.meta.url)
    this.#size = workers
    this.#startMissing()
  }

  /** Certificates that wait or are being made. */
  get pending(): number {
    return this.#threads.reduce((count, { running }) => count + running.size, this.#queue.length + this.#madeHere)
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

  /** Two batches a thread: one that it works on, and one that waits for it; and never more than its share, so that all end together. */
  #flush(): void {
    if (this.#queue.length > 0) this.#startMissing()
    // This thread decides and records for all of them besides.
    const makers = this.#threads.length + (this.#here === undefined ? 0 : 0.75)
    while (this.#queue.length > 0) {
      const [thread] = [...this.#threads].sort((a, b) => a.running.size - b.running.size)
      const share = Math.min(2 * this.#batchSize, Math.ceil(this.pending / makers))
      if (thread === undefined || thread.running.size >= share) {
        this.#help()
        return
      }
      this.#send(thread, this.#queue.splice(0, Math.min(this.#batchSize, share - thread.running.size)))
    }
  }

  /** One certificate, then whatever else this thread has to do. */
  #help(): void {
    const authority = this.#here
    if (authority === undefined || this.#helping) return
    this.#helping = true
    setImmediate(() => {
      const pending = this.#queue.shift()
      this.#madeHere = pending === undefined ? 0 : 1
      void makeHere(authority, pending).finally(() => {
        this.#helping = false
        this.#madeHere = 0
        this.#flush()
        if (this.pending === 0) this.#drained?.()
      })
    })
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
    try {
      thread.worker.postMessage({ jobs, bytes } satisfies WorkerRequest, [bytes.buffer])
    } catch (cause) {
      for (const { id } of jobs) thread.running.delete(id)
      for (const { reject } of batch) reject(new PkiError('ERR_INVALID_ARGUMENT', 'the content of a certificate cannot be handed to another thread', { cause }))
    }
  }

  #startMissing(): void {
    while (this.#threads.length < this.#size) this.#threads.push(this.#start())
  }

  #start(): Thread {
    const worker = new Worker(this.#workerModule, { workerData: this.#setup })
    worker.unref()
    const thread: Thread = { worker, running: new Map() }
    worker.on('message', (reply: WorkerReply) => this.#settle(thread, reply))
    worker.on('error', (cause) => this.#lost(thread, cause))
    worker.on('exit', () => this.#lost(thread, undefined))
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

  /**
   * Only what the thread was working on is lost. Another takes its place when there is work for it, and no sooner: a thread that cannot even start
   * (a bundle without its module) would be started for ever.
   */
  #lost(thread: Thread, cause: unknown): void {
    const place = this.#threads.indexOf(thread)
    if (place < 0) return
    const doomed = [...thread.running.values()]
    thread.running.clear()
    this.#threads.splice(place, 1)
    for (const { reject } of doomed) reject(new PkiError('ERR_WORKER_LOST', 'the thread that made the certificate ended', { cause }))
    // Also when it is being closed: what waits is made first, by another thread if need be.
    this.#flush()
    if (this.pending === 0) this.#drained?.()
  }
}

async function makeHere(authority: CertificateAuthority, pending: Pending | undefined): Promise<void> {
  if (pending === undefined) return
  const { request, content, serialNumber, resolve, reject } = pending
  try {
    await request.publicKey.prepare()
    resolve((await authority.sign(authority.prepare(request.verify(), content, serialNumber))).certificate)
  } catch (error) {
    reject(error instanceof Error ? error : new PkiError('ERR_INTERNAL', 'a certificate could not be made'))
  }
}
