// The Clock contract and the system clock: the only code in `src` that reads
// the wall clock or creates timers.

import { PkiError } from '../errors/index.ts'
import { nameOf } from '../internal/options.ts'

/** Wall time, monotonic time and timers. Tests pass a fake one. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number
  /** Milliseconds on a clock that never goes back; only differences are meaningful. */
  monotonic(): number
  /**
   * Runs `callback` once after `delayMs`; returns a function that cancels it. The timer does not keep the
   * process alive unless `keepAlive` is true: set it where a promise depends on the timer, so that Node does
   * not exit before the promise settles.
   */
  schedule(
    callback: () => void,
    delayMs: number,
    options?: { readonly keepAlive?: boolean | undefined },
  ): () => void
}

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(callback, delayMs, options = {}) {
    // A timer would throw it later, where no code catches it.
    if (typeof callback !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', `the callback of a timer is ${nameOf(callback)}`)
    if (typeof delayMs !== 'number' || Number.isNaN(delayMs))
      throw new PkiError('ERR_INVALID_ARGUMENT', `the delay of a timer is ${String(delayMs)}`)
    // setTimeout overflows above 2^31-1 ms and would fire at once: wait in steps.
    let timer: NodeJS.Timeout
    const arm = (remaining: number): void => {
      const step = Math.min(remaining, maxTimerMs)
      timer = setTimeout(() => {
        if (remaining > step) arm(remaining - step)
        else callback()
      }, step)
      if (options.keepAlive !== true) timer.unref()
    }
    arm(Math.max(0, delayMs))
    return () => {
      clearTimeout(timer)
    }
  },
}

const maxTimerMs = 2 ** 31 - 1
