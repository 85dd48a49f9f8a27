// A pool of sessions: one operation at a time on each, a bounded queue before them, and a limit on how long anything takes.

import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'
import { HsmError, hsmError } from './return-value.ts'
import type { TokenSession } from './token.ts'

/** How large the pool is and what it asks of a token. */
export interface SessionPoolOptions {
  /** Sessions at most. */
  readonly size: number
  /** Callers that may wait for one. */
  readonly queueLimit: number
  /** How long a caller waits for a session, and again for the answer of the token. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly open: () => Promise<TokenSession>
  readonly close: (session: TokenSession) => void
  readonly isStale: (session: TokenSession) => boolean
}

/** What the pool holds now. */
export interface SessionPoolCounts {
  /** Sessions that are open, busy or not. */
  readonly open: number
  /** Sessions with an operation in them. */
  readonly busy: number
  /** Operations that wait for a session. */
  readonly waiting: number
}

interface Waiter {
  readonly since: number
  readonly resolve: (session: TokenSession) => void
  readonly reject: (error: Error) => void
}

interface Lease {
  since: number
  /** What runs on it, and how to fail its caller; the call itself cannot be stopped. */
  operation: Promise<unknown> | undefined
  reject: ((error: PkiError) => void) | undefined
}

/** Sessions of one token. Whoever acquires one gives it back by `release`, or after any failure by `discard`. */
export class SessionPool {
  readonly #options: SessionPoolOptions
  readonly #idle: TokenSession[] = []
  readonly #busy = new Map<TokenSession, Lease>()
  readonly #waiting = new Set<Waiter>()
  #opening = 0
  /** Fewer than `size` after the token said CKR_SESSION_COUNT. */
  #ceiling: number
  #ceilingSince = 0
  #stopWatch: (() => void) | undefined
  #closed = false
  #drained: (() => void) | undefined

  constructor(options: SessionPoolOptions) {
    this.#options = options
    this.#ceiling = options.size
  }

  get counts(): SessionPoolCounts {
    return { open: this.#idle.length + this.#busy.size, busy: this.#busy.size, waiting: this.#waiting.size }
  }

  /**
   * A session that nobody else uses: at once where one is idle.
   *
   * @throws ERR_HSM_QUEUE_FULL, ERR_HSM_TIMEOUT, ERR_ABORTED, ERR_CLOSED, or why no session could be opened
   */
  acquire(signal?: AbortSignal): TokenSession | Promise<TokenSession> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the session pool was closed')
    if (signal?.aborted === true) throw aborted(signal)
    if (this.#waiting.size === 0) {
      const session = this.#takeIdle()
      if (session !== undefined) return this.#lease(session)
    }
    const { queueLimit } = this.#options
    if (this.#waiting.size >= queueLimit)
      throw new PkiError('ERR_HSM_QUEUE_FULL', `${String(queueLimit)} operations wait for a session already`)
    return this.#wait(signal)
  }

  /**
   * The outcome of an operation on a leased session, or ERR_HSM_TIMEOUT. A call that hangs keeps its session: it is closed
   * when the call comes back, and until then the pool is one smaller, as libuv is one thread short.
   */
  watch<T>(session: TokenSession, operation: Promise<T>): Promise<T> {
    const lease = this.#busy.get(session)
    if (lease === undefined) throw new PkiError('ERR_INTERNAL', 'the session is not leased')
    return new Promise((resolve, reject) => {
      lease.operation = operation
      lease.reject = reject
      operation.then(resolve, reject)
    })
  }

  /** Gives a session back after success. */
  release(session: TokenSession): void {
    const lease = this.#busy.get(session)
    if (lease === undefined) return
    session.input = undefined
    if (this.#closed || this.#options.isStale(session)) {
      this.#drop(session)
      return
    }
    const next = first(this.#waiting)
    if (next === undefined) {
      this.#busy.delete(session)
      this.#idle.push(session)
      return
    }
    this.#waiting.delete(next)
    lease.since = this.#options.clock.monotonic()
    lease.operation = undefined
    lease.reject = undefined
    next.resolve(session)
  }

  /** Gives a session back after a failure: it is closed, and replaced when somebody needs one. */
  discard(session: TokenSession): void {
    const lease = this.#busy.get(session)
    // A call that hangs still runs on it.
    if (lease === undefined || lease.since === Number.POSITIVE_INFINITY) return
    this.#drop(session)
  }

  /** Closes one idle session, for somebody who needs its place. */
  shed(): boolean {
    const session = this.#idle.pop()
    if (session === undefined) return false
    this.#options.close(session)
    return true
  }

  /** Takes a session in that was opened elsewhere. */
  adopt(session: TokenSession): void {
    if (this.#closed || this.#idle.length + this.#busy.size + this.#opening >= this.#ceiling) {
      this.#options.close(session)
      return
    }
    this.#busy.set(session, {
      since: this.#options.clock.monotonic(),
      operation: undefined,
      reject: undefined,
    })
    this.release(session)
  }

  /** Fails everybody who waits. */
  failWaiting(error: PkiError): void {
    for (const waiter of this.#waiting) waiter.reject(error)
    this.#waiting.clear()
  }

  /** Fails those who wait, lets running operations end (for `timeoutMs` at most), closes all sessions. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.failWaiting(new PkiError('ERR_CLOSED', 'the session pool was closed'))
    while (this.shed());
    if (this.#busy.size > 0) {
      await new Promise<void>((resolve) => {
        const stop = this.#options.clock.schedule(resolve, this.#options.timeoutMs)
        this.#drained = () => {
          stop()
          resolve()
        }
      })
    }
    this.#stopWatch?.()
    this.#stopWatch = undefined
  }

  #takeIdle(): TokenSession | undefined {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!this.#options.isStale(session)) return session
      this.#options.close(session)
    }
    return undefined
  }

  #lease(session: TokenSession): TokenSession {
    this.#busy.set(session, {
      since: this.#options.clock.monotonic(),
      operation: undefined,
      reject: undefined,
    })
    this.#armWatch()
    return session
  }

  #wait(signal: AbortSignal | undefined): Promise<TokenSession> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        since: this.#options.clock.monotonic(),
        resolve: (session) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(session)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      const onAbort = (): void => {
        if (this.#waiting.delete(waiter)) reject(aborted(signal as AbortSignal))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
      this.#armWatch()
      this.#grow()
    })
  }

  /** Opens sessions while more callers wait than sessions are being opened. */
  #grow(): void {
    const { size, clock } = this.#options
    if (this.#ceiling < size && clock.monotonic() - this.#ceilingSince > ceilingMs) this.#ceiling = size
    while (
      this.#waiting.size > this.#opening &&
      this.#idle.length + this.#busy.size + this.#opening < this.#ceiling
    ) {
      this.#opening++
      void this.#openOne()
    }
  }

  async #openOne(): Promise<void> {
    let session: TokenSession
    try {
      session = await this.#options.open()
    } catch (error) {
      this.#opening--
      this.#openFailed(hsmError(error, 'opening a session'))
      return
    }
    this.#opening--
    this.#lease(session)
    this.release(session)
  }

  #openFailed(failure: PkiError): void {
    const sessions = this.#idle.length + this.#busy.size + this.#opening
    if (failure instanceof HsmError && failure.failureClass === 'limit' && sessions > 0) {
      // The token has no more: those that wait share what there is.
      this.#ceiling = sessions
      this.#ceilingSince = this.#options.clock.monotonic()
      return
    }
    const unlucky = first(this.#waiting)
    if (unlucky !== undefined) {
      this.#waiting.delete(unlucky)
      unlucky.reject(failure)
    }
    this.#grow()
  }

  #drop(session: TokenSession): void {
    if (!this.#busy.delete(session)) return
    this.#options.close(session)
    if (this.#busy.size === 0) this.#drained?.()
    if (!this.#closed) this.#grow()
  }

  #armWatch(): void {
    this.#stopWatch ??= this.#options.clock.schedule(() => {
      this.#stopWatch = undefined
      this.#expire()
      if (this.#busy.size > 0 || this.#waiting.size > 0) this.#armWatch()
    }, this.#options.timeoutMs / 4)
  }

  #expire(): void {
    const latest = this.#options.clock.monotonic() - this.#options.timeoutMs
    for (const waiter of this.#waiting) {
      if (waiter.since > latest) break
      this.#waiting.delete(waiter)
      waiter.reject(
        new PkiError(
          'ERR_HSM_TIMEOUT',
          `no session of the token was free for ${String(this.#options.timeoutMs)} ms`,
        ),
      )
    }
    for (const [session, lease] of this.#busy) {
      if (lease.since > latest || lease.reject === undefined) continue
      lease.since = Number.POSITIVE_INFINITY
      const drop = (): void => this.#drop(session)
      lease.operation?.then(drop, drop)
      lease.reject(
        new PkiError('ERR_HSM_TIMEOUT', `the token did not answer for ${String(this.#options.timeoutMs)} ms`),
      )
    }
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item
  return undefined
}

function aborted(signal: AbortSignal): PkiError {
  return new PkiError('ERR_ABORTED', 'the operation was stopped while it waited for a session', {
    cause: signal.reason,
  })
}

/** How long the pool stays small after CKR_SESSION_COUNT before it asks for more again. */
const ceilingMs = 30_000
