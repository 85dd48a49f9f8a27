// Waiting on a Clock, for a time or for a promise with a deadline; an AbortSignal ends both at once.

import { PkiError } from '../../errors/index.ts'
import { requireSignal } from '../options.ts'

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
 * The result of `wait`, for which the process stays alive. Without this, a process that waits only for an
 * unref'd timer would end in the middle of an `await`, with exit code 13 and no message.
 */
export async function keptAlive<T>(clock: Scheduler, wait: () => Promise<T>): Promise<T> {
  const release = clock.schedule(() => undefined, foreverMs, { keepAlive: true })
  try {
    return await wait()
  } finally {
    release()
  }
}

const foreverMs = 1e15

/**
 * The value of `promise`, unless the signal aborts first; the work behind the promise continues.
 * @throws ERR_ABORTED, ERR_INVALID_ARGUMENT
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    // If the next line throws, this is the only handler of a rejection of `promise`.
    promise.catch(() => undefined)
    requireSignal('the call', signal)
    const aborted = (): void => {
      reject(new PkiError('ERR_ABORTED', 'the call was aborted by its signal'))
    }
    if (signal.aborted) {
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

/**
 * A signal that aborts as soon as `given` or one of `own` aborts.
 *
 * Node 20 keeps some 50 octets of each combined signal for as long as one of its sources is referenced:
 * combine only before a wait.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function eitherSignal(given: AbortSignal | undefined, ...own: readonly AbortSignal[]): AbortSignal {
  requireSignal('the call', given)
  const [only] = own
  if (given === undefined && only !== undefined && own.length === 1) return only
  return AbortSignal.any(given === undefined ? [...own] : [...own, given])
}

/** The conditions that end a piece of work. */
export interface Deadline {
  readonly clock: Scheduler
  readonly deadlineMs: number
  /** Ends the work before the deadline. */
  readonly signal: AbortSignal
  /** Creates the error after the deadline, from the failure of the work. */
  readonly late: (cause: unknown) => Error
}

/**
 * The value of `work`. Its signal aborts at the deadline and with `signal`; a later result is ignored.
 * @throws the errors of `work`; the result of `late` after the deadline; ERR_ABORTED when `signal` aborts
 */
export async function withDeadline<T>(
  { clock, deadlineMs, signal, late }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timer = new AbortController()
  const stop = clock.schedule(() => timer.abort(), deadlineMs, { keepAlive: true })
  const ended = AbortSignal.any([signal, timer.signal])
  try {
    return await abortable(work(ended), ended)
  } catch (cause) {
    throw timer.signal.aborted && !signal.aborted ? late(cause) : cause
  } finally {
    stop()
  }
}

/**
 * Whether `promise` is fulfilled or rejected within `delayMs`.
 * @throws ERR_ABORTED when the signal aborts
 */
export async function settlesWithin(
  clock: Scheduler,
  delayMs: number,
  promise: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const over = new AbortController()
  const settled = promise.then(
    () => true,
    () => true,
  )
  const tooLate = waitFor(clock, delayMs, over.signal).then(
    () => false,
    () => true,
  )
  try {
    return await abortable(Promise.race([settled, tooLate]), signal)
  } finally {
    over.abort()
  }
}
