// The callers that wait for a session of a token: a bounded queue, first come, first served.

import { PkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import type { TokenSession } from './token.ts'

/** A caller that waits for a session. */
interface Waiter {
  readonly since: number
  readonly resolve: (session: TokenSession) => void
  readonly reject: (error: Error) => void
}

/** The waiting callers of one pool. */
export class WaitingCallers {
  readonly #waiting = new Set<Waiter>()
  readonly #limit: number
  readonly #clock: Clock

  constructor(limit: number, clock: Clock) {
    this.#limit = limit
    this.#clock = clock
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Waits for a session. @throws ERR_HSM_QUEUE_FULL; rejects with ERR_ABORTED */
  add(signal: AbortSignal | undefined): Promise<TokenSession> {
    if (this.#waiting.size >= this.#limit)
      throw new PkiError(
        'ERR_HSM_QUEUE_FULL',
        `${String(this.#limit)} operations wait for a session, the maximum`,
      )
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        since: this.#clock.monotonic(),
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
        if (this.#waiting.delete(waiter)) reject(waitAborted(signal as AbortSignal))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  /** Takes the first caller from the queue. */
  next(): Waiter | undefined {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter)
      return waiter
    }
    return undefined
  }

  /** Rejects all callers. */
  failAll(error: PkiError): void {
    for (const waiter of this.#waiting) waiter.reject(error)
    this.#waiting.clear()
  }

  /** Rejects the callers that have waited since `latest` or longer, on the monotonic clock. */
  expire(latest: number, timeoutMs: number): void {
    for (const waiter of this.#waiting) {
      if (waiter.since > latest) break
      this.#waiting.delete(waiter)
      waiter.reject(
        new PkiError('ERR_HSM_TIMEOUT', `no session of the token was free for ${String(timeoutMs)} ms`),
      )
    }
  }
}

/** The error of a caller whose signal was aborted. */
export function waitAborted(signal: AbortSignal): PkiError {
  return new PkiError('ERR_ABORTED', 'the operation was stopped while it waited for a session', {
    cause: signal.reason,
  })
}
