// Waiting on a Clock, for a time or for a promise with a deadline; an AbortSignal ends both at once.

import { PkiError } from '../../errors/index.ts'

/** The part of a Clock that waiting needs. */
export interface Scheduler {
  schedule(
    callback: () => void,
    delayMs: number,
    options?: { readonly keepAlive?: boolean | undefined },
  ): () => void
}

/** Settles after `delayMs`. @throws ERR_ABORTED when the signal aborts */
export function waitFor(clock: Scheduler, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      stop()
      reject(new PkiError('ERR_ABORTED', 'the wait was aborted'))
    }
    const stop = clock.schedule(
      () => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      },
      delayMs,
      { keepAlive: true },
    )
    if (signal?.aborted === true) aborted()
    else signal?.addEventListener('abort', aborted, { once: true })
  })
}

/**
 * The value of `promise`, unless the signal aborts first; the work behind the promise continues.
 * @throws ERR_ABORTED
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      reject(new PkiError('ERR_ABORTED', 'the call was aborted by its signal'))
    }
    if (signal.aborted) {
      // The work continues without a waiter: its failure is ignored.
      promise.catch(() => undefined)
      aborted()
      return
    }
    signal.addEventListener('abort', aborted, { once: true })
    promise
      .finally(() => {
        signal.removeEventListener('abort', aborted)
      })
      .then(resolve, reject)
  })
}
