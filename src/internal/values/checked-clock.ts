// A clock given by a caller, whose results are checked: with text or NaN, comparisons of times would always
// have the same result.

import { isPkiError, PkiError } from '../../errors/index.ts'
import { nameOf } from './name-of.ts'

/** The methods of a `Clock`. */
interface CallersClock {
  now(): unknown
  monotonic(): unknown
  schedule(...given: unknown[]): unknown
}

/** Passes the calls on. @throws ERR_INVALID_ARGUMENT from each, for a result that is not a time */
export class CheckedClock {
  readonly #clock: CallersClock
  readonly #caller: string

  private constructor(clock: CallersClock, caller: string) {
    this.#clock = clock
    this.#caller = caller
  }

  /**
   * The clock given as an option of `caller`; its wall time is read once, so that a clock that always returns
   * an invalid time is refused here.
   *
   * @throws ERR_INVALID_ARGUMENT
   */
  static of(clock: unknown, caller: string): CheckedClock {
    if (clock instanceof CheckedClock) return clock
    const given = Object(clock) as Partial<CallersClock>
    // Some options need the wall time only.
    if (typeof given.now !== 'function')
      throw refused(caller, `has no method now; now is ${nameOf(given.now)}`)
    const checked = new CheckedClock(given as CallersClock, caller)
    try {
      checked.now()
    } catch (error) {
      // A clock that throws now may work later.
      if (isPkiError(error)) throw error
    }
    return checked
  }

  now(): number {
    return this.#time('now', this.#clock.now())
  }

  monotonic(): number {
    return this.#time('monotonic', this.#clock.monotonic())
  }

  schedule(...given: unknown[]): unknown {
    return this.#clock.schedule(...given)
  }

  #time(method: string, time: unknown): number {
    if (typeof time === 'number' && Math.abs(time) <= maxTimeMs) return time
    const found = typeof time === 'number' ? String(time) : nameOf(time)
    throw refused(this.#caller, `${method}() returned ${found}; expected milliseconds, at most ${maxTimeMs}`)
  }
}

function refused(caller: string, fault: string): PkiError {
  return new PkiError('ERR_INVALID_ARGUMENT', `${caller}: the option clock ${fault}`)
}

/** The latest time of a `Date`. */
const maxTimeMs = 8.64e15
