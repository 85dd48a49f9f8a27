// A pool of sessions: one operation at a time on each, a bounded queue, and a time limit for each step.

import { PkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { HsmError, hsmError } from '../cryptoki/return-value.ts'
import type { TokenSession } from './token.ts'
import { WaitingCallers, waitAborted } from './waiting-callers.ts'

/** The size and limits of the pool, and its use of a token. */
export interface SessionPoolOptions {
  /** The maximum number of sessions. */
  readonly size: number
  /** The maximum number of waiting callers. */
  readonly queueLimit: number
  /** How long a caller waits for a session, and again for the answer of the token. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly open: () => Promise<TokenSession>
  readonly close: (session: TokenSession) => void
  readonly isStale: (session: TokenSession) => boolean
}

/** The current state of the pool. @inline */
export interface SessionPoolCounts {
  /** Open sessions, busy or idle. */
  readonly open: number
  /** Sessions with an operation in them. */
  readonly busy: number
  /** Operations that wait for a session. */
  readonly waiting: number
}

interface Lease {
  since: number
  /** The operation on a session, and how to reject it; the call itself cannot be stopped. */
  operation: Promise<unknown> | undefined
  reject: ((error: PkiError) => void) | undefined
}

/** The sessions of one token. Return an acquired session by `release`, or after any failure by `discard`. */
export class SessionPool {
  readonly #options: SessionPoolOptions
  readonly #idle: TokenSession[] = []
  readonly #busy = new Map<TokenSession, Lease>()
  readonly #waiting: WaitingCallers
  #opening = 0
  /** Smaller than `size` after the token returned CKR_SESSION_COUNT. */
  #ceiling: number
  #ceilingSince = 0
  #stopWatch: (() => void) | undefined
  #closed = false
  #drained: (() => void) | undefined

  constructor(options: SessionPoolOptions) {
    this.#options = options
    this.#waiting = new WaitingCallers(options.queueLimit, options.clock)
    this.#ceiling = options.size
  }

  get counts(): SessionPoolCounts {
    return { open: this.#idle.length + this.#busy.size, busy: this.#busy.size, waiting: this.#waiting.size }
  }

  /**
   * Acquires a session for exclusive use: at once if one is idle.
   *
   * @throws ERR_HSM_QUEUE_FULL, ERR_HSM_TIMEOUT, ERR_ABORTED, ERR_CLOSED, or
   *   the reason why no session could be opened
   */
  acquire(signal?: AbortSignal): TokenSession | Promise<TokenSession> {
    if (this.#closed) throw new PkiError('ERR_CLOSED', 'the session pool was closed')
    if (signal?.aborted === true) throw waitAborted(signal)
    if (this.#waiting.size === 0) {
      const session = this.#takeIdle()
      if (session !== undefined) return this.#lease(session)
    }
    const session = this.#waiting.add(signal)
    this.#armWatch()
    this.#grow()
    return session
  }

  /**
   * The result of an operation on an acquired session, or ERR_HSM_TIMEOUT. A hanging call keeps its session.
   * The session is closed when the call returns; until then the pool has one session less, and libuv's thread
   * pool one thread less.
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

  /** Returns a session after success. */
  release(session: TokenSession): void {
    const lease = this.#busy.get(session)
    if (lease === undefined) return
    session.input = undefined
    if (this.#closed || this.#options.isStale(session)) {
      this.#drop(session)
      return
    }
    const next = this.#waiting.next()
    if (next === undefined) {
      this.#busy.delete(session)
      this.#idle.push(session)
      return
    }
    lease.since = this.#options.clock.monotonic()
    lease.operation = undefined
    lease.reject = undefined
    next.resolve(session)
  }

  /** Returns a session after a failure: it is closed, and replaced on demand. */
  discard(session: TokenSession): void {
    const lease = this.#busy.get(session)
    // A hanging call still uses it.
    if (lease === undefined || lease.since === Number.POSITIVE_INFINITY) return
    this.#drop(session)
  }

  /** Closes one idle session to make room for another one. */
  shed(): boolean {
    const session = this.#idle.pop()
    if (session === undefined) return false
    this.#options.close(session)
    return true
  }

  /** Adds a session that was opened elsewhere. */
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

  /** Rejects all waiting callers. */
  failWaiting(error: PkiError): void {
    this.#waiting.failAll(error)
  }

  /** Rejects waiting callers, waits for running operations (at most `timeoutMs`), closes all sessions. */
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
      // The token has no more sessions: waiting callers share the open ones.
      this.#ceiling = sessions
      this.#ceilingSince = this.#options.clock.monotonic()
      return
    }
    this.#waiting.next()?.reject(failure)
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
    this.#waiting.expire(latest, this.#options.timeoutMs)
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

/** How long the pool stays smaller after CKR_SESSION_COUNT before it opens more sessions. */
const ceilingMs = 30_000
