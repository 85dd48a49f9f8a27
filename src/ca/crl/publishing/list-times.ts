// The times of the lists of one CA key: none is before the last list, unless the operator has accepted an
// earlier clock.

import type { Clock } from '../../../runtime/index.ts'
import type { Crl } from '../../../x509/index.ts'
import type { CaStorage } from '../../records/ca-storage.ts'
import { latestTimeOf, toleratedRegressMs, wholeSecond } from '../crl-times.ts'

/** What the times are taken from. */
interface TimeSources {
  readonly storage: CaStorage
  readonly clock: Clock
}

/** The latest time of the lists, and the times of the next one. */
export class ListTimes {
  readonly #sources: TimeSources
  /** The latest thisUpdate of all lists: no later list has an earlier one, nor an entry that is later. */
  #latestMs = 0

  constructor(sources: TimeSources) {
    this.#sources = sources
  }

  /** Notes lists that were read or published. */
  note(lists: readonly (Crl | undefined)[]): void {
    this.#latestMs = Math.max(this.#latestMs, latestTimeOf(lists))
  }

  /** In whole seconds. Never before the last list, where the clock was set back. */
  now(): number {
    return Math.max(wholeSecond(this.#sources.clock.now()), this.#latestMs)
  }

  /** Milliseconds and not the whole second of the list: a store that was restored may lack this second's. */
  numberFrom(thisUpdateMs: number): number {
    return Math.max(thisUpdateMs, Math.floor(this.#sources.clock.now()))
  }

  /** Whether a list was signed by a clock that was ahead, which the operator has corrected. */
  isOfLaterClock(list: Crl | undefined): boolean {
    return latestTimeOf([list]) > this.#latestMs
  }

  /**
   * A list that a clock far ahead has signed would give its time to every later one, and relying parties
   * refuse those until then. Not so where the operator has accepted the earlier clock, by the store. Resolves
   * to whether the later clock was left.
   */
  async leaveLaterClock(
    lists: readonly (Crl | undefined)[],
    all: () => readonly (Crl | undefined)[],
  ): Promise<boolean> {
    const { clock, storage } = this.#sources
    const limitMs = (): number => wholeSecond(clock.now()) + toleratedRegressMs
    this.#latestMs = Math.max(this.#latestMs, latestTimeOf(lists, limitMs()))
    if (this.#latestMs <= limitMs()) return false
    const recorded = await storage.crls.latestTime?.()
    // An invalid date accepts nothing.
    const isAccepted = recorded !== undefined && recorded.getTime() <= limitMs()
    if (!isAccepted) return false
    this.#latestMs = latestTimeOf(all(), limitMs())
    return true
  }
}
