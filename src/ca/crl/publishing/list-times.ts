// The times of the lists of one CA key: no list is earlier than the last one, unless the operator has
// accepted an earlier clock.

import type { Clock } from '../../../runtime/index.ts'
import type { Crl } from '../../../x509/index.ts'
import type { CaStorage } from '../../records/ca-storage.ts'
import { latestTimeOf, toleratedRegressMs, wholeSecond } from '../crl-times.ts'

/** The sources of the times. */
interface TimeSources {
  readonly storage: CaStorage
  readonly clock: Clock
}

/** The latest time of the lists, and the times of the next one. */
export class ListTimes {
  readonly #sources: TimeSources
  /**
   * The latest thisUpdate of all lists: later lists have no earlier thisUpdate, and no entry has a later
   * date.
   */
  #latestMs = 0

  constructor(sources: TimeSources) {
    this.#sources = sources
  }

  /** Notes lists that were read or published. */
  note(lists: readonly (Crl | undefined)[]): void {
    this.#latestMs = Math.max(this.#latestMs, latestTimeOf(lists))
  }

  /**
   * The thisUpdate of the next list in whole seconds; never before that of the last list, even if the clock
   * was set back.
   */
  now(): number {
    return Math.max(wholeSecond(this.#sources.clock.now()), this.#latestMs)
  }

  /**
   * In milliseconds instead of the whole second of the list, because a restored store may lack lists of the
   * same second.
   */
  numberFrom(thisUpdateMs: number): number {
    return Math.max(thisUpdateMs, Math.floor(this.#sources.clock.now()))
  }

  /** Whether a list was signed by a clock that was ahead, which the operator has corrected. */
  isOfLaterClock(list: Crl | undefined): boolean {
    return latestTimeOf([list]) > this.#latestMs
  }

  /**
   * If a list was signed while the clock was far ahead, every later list would have its time, and relying
   * parties would refuse them until that time. This does not apply if the operator has accepted the earlier
   * clock of the store. Resolves to whether the later time was discarded.
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
