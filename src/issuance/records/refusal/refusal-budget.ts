// How many refusals become records of the audit log: a caller that is refused again and again must not fill
// it.

import type { Clock } from '../../../runtime/index.ts'

/** Counts refusals by caller and second, in bounded memory. */
export class RefusalBudget {
  readonly #clock: Clock
  readonly #ofCaller = new Map<string, number>()
  #secondStartMs = -Infinity
  #ofAll = 0
  #suppressed = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Uses one record for a caller. Returns the number of refusals counted since the previous record, or
   * undefined if this refusal is only counted.
   */
  take(caller: string): number | undefined {
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#secondStartMs >= 1000) {
      this.#secondStartMs = nowMs
      this.#ofAll = 0
      this.#ofCaller.clear()
    }
    const taken = this.#ofCaller.get(caller) ?? 0
    if (taken >= maxOfCaller || this.#ofAll >= maxOfAll) {
      this.#suppressed++
      return undefined
    }
    this.#ofAll++
    this.#ofCaller.set(caller, taken + 1)
    return this.takeSuppressed()
  }

  /** The number of refusals counted since the previous record; resets the count. */
  takeSuppressed(): number {
    const suppressed = this.#suppressed
    this.#suppressed = 0
    return suppressed
  }
}

/** Maximum number of records per second: of one caller, and of all. */
const maxOfCaller = 10
const maxOfAll = 100
