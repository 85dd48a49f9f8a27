// A JWT-SVID in memory: how long it is used, and when it is fetched again.

import type { Clock } from '../../runtime/index.ts'
import type { JwtSvid } from '../../svid/index.ts'

/** A time on the wall clock and on the monotonic clock; the earlier one counts. */
interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** A token with the middle and the end of its validity. */
export class HeldToken {
  readonly svid: JwtSvid
  readonly #clock: Clock
  readonly #half: Moment
  readonly #end: Moment

  constructor(svid: JwtSvid, clock: Clock) {
    this.svid = svid
    this.#clock = clock
    const [wallMs, monotonicMs] = [clock.now(), clock.monotonic()]
    const leftMs = svid.expiresAt.getTime() - wallMs
    const after = (ms: number): Moment => ({ wallMs: wallMs + ms, monotonicMs: monotonicMs + ms })
    this.#half = after(leftMs / 2)
    this.#end = after(leftMs)
  }

  /** Whether less than half of its validity has passed. */
  get isYoung(): boolean {
    return !this.#isPast(this.#half)
  }

  /** Whether it has expired. */
  get isOver(): boolean {
    return this.#isPast(this.#end)
  }

  /**
   * Whether a time has passed on either clock: one stops while the machine is suspended, the other may be set
   * back.
   */
  #isPast({ wallMs, monotonicMs }: Moment): boolean {
    return this.#clock.now() >= wallMs || this.#clock.monotonic() >= monotonicMs
  }
}
