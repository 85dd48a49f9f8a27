// The retry policy of Istio's agents: five attempts, 100 ms doubling, 10 % jitter, only for temporary
// failures.

import { randomInt } from 'node:crypto'
import type { ServiceError } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'
import { retryPushback, status } from '../status.ts'

/** When and how often to try again. @inline */
export interface RetryPolicy {
  /** Total number of attempts; 1 means no retry. Default 5. */
  readonly attempts: number
  /** Delay before the second attempt, in milliseconds; doubled for each further attempt. Default 100. */
  readonly initialDelayMs: number
  /** Random share of the delay, in both directions. Default 0.1. */
  readonly jitter: number
}

export const defaultRetryPolicy: RetryPolicy = { attempts: 5, initialDelayMs: 100, jitter: 0.1 }

/** Whether a later attempt may succeed; a refusal is final. */
export function isRetryable(code: number): boolean {
  return retryable.has(code)
}

/** Milliseconds to wait after attempt number `attempt` (the first is 1). `draw` is from 0 to 1. */
export function retryDelayMs(
  policy: RetryPolicy,
  attempt: number,
  draw: number = randomInt(1 << 20) / (1 << 20),
): number {
  return policy.initialDelayMs * 2 ** (attempt - 1) * (1 + policy.jitter * (2 * draw - 1))
}

/** The retry delay in milliseconds that a server requests, at most a minute; 0 if it requests none. */
export function pushbackMs({ metadata }: Partial<ServiceError>): number {
  const [value] = metadata?.get(retryPushback) ?? []
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Math.min(Number(value), 60_000) : 0
}

/** The value of a promise, with a time limit. @throws ERR_TIMEOUT; ERR_ABORTED when the signal is aborted */
export function within<T>(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  awaited: Promise<T>,
  what: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stop()
      signal?.removeEventListener('abort', aborted)
    }
    const aborted = (): void => {
      end()
      reject(new PkiError('ERR_ABORTED', `the wait for ${what} was aborted`))
    }
    const stop = clock.schedule(
      () => {
        end()
        reject(new PkiError('ERR_TIMEOUT', `${what} was not available within ${timeoutMs} ms`))
      },
      timeoutMs,
      { keepAlive: true },
    )
    if (signal?.aborted === true) aborted()
    else signal?.addEventListener('abort', aborted, { once: true })
    awaited.finally(end).then(resolve, reject)
  })
}

const retryable: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
])
