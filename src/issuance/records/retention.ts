// Retention: expired records are settled and removed on a schedule.

import type { CertificateStore } from '../../ca/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import type { Clock } from '../../runtime/index.ts'
import type { IssuanceEvents } from '../events/issuance-events.ts'
import { ask } from './store-calls.ts'

/** The dependencies of retention. */
export interface RetentionOptions {
  readonly store: CertificateStore
  readonly clock: Clock
  readonly events: IssuanceEvents
  /** Default 3,600, the first time after a minute at most; Infinity: never. */
  readonly pruneIntervalSeconds?: number | undefined
  /** At least twice the validity of a CRL. Default 48 h, or twice that validity if it is longer. */
  readonly lookBackSeconds?: number | undefined
  /** The validity of a CRL, if it is known. */
  readonly crlTtlSeconds?: number | undefined
}

/**
 * Calls `prune` of a store until it is disposed of. A failure is reported, and the next call follows as
 * scheduled. If the wall clock has jumped ahead by the look-back or more, one call is skipped, because it
 * would remove records of valid certificates.
 */
export class Retention implements AsyncDisposable {
  readonly #options: RetentionOptions
  readonly #lookBackSeconds: number
  readonly #intervalMs: number
  #stopTimer: () => void = () => undefined
  #running: Promise<void> = Promise.resolve()
  /** Wall clock minus monotonic clock: changes if the wall clock is set. */
  #offsetMs: number
  #closed = false

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(options: RetentionOptions) {
    const { pruneIntervalSeconds = 3600, crlTtlSeconds = 0, clock } = options
    const { lookBackSeconds = Math.max(48 * 3600, 2 * crlTtlSeconds) } = options
    checkMeasures({ pruneIntervalSeconds }, 1, Infinity)
    // RFC 5280 §3.3: an entry stays until it was on a list issued after its certificate expired. A record
    // that is removed earlier looks lost to a CA that starts again, and it signs no list (L49).
    checkMeasures({ lookBackSeconds }, 2 * crlTtlSeconds)
    this.#options = options
    this.#lookBackSeconds = lookBackSeconds
    this.#intervalMs = pruneIntervalSeconds * 1000
    this.#offsetMs = clock.now() - clock.monotonic()
    if (pruneIntervalSeconds === Infinity) return
    // A process that is restarted more often than the interval prunes too.
    this.#stopTimer = clock.schedule(this.#run, Math.min(this.#intervalMs, firstMs))
  }

  /** Stops; resolves when a prune in progress has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#stopTimer()
    await this.#running
  }

  readonly #run = (): void => {
    this.#running = this.#prune().then(() => {
      // Scheduled after the end, so that a prune that takes longer than the interval does not overlap the
      // next one.
      if (!this.#closed) this.#stopTimer = this.#options.clock.schedule(this.#run, this.#intervalMs)
    })
  }

  async #prune(): Promise<void> {
    const { store, clock, events } = this.#options
    const nowMs = clock.now()
    const jumpMs = nowMs - clock.monotonic() - this.#offsetMs
    this.#offsetMs += jumpMs
    if (jumpMs >= Math.max(this.#lookBackSeconds * 1000, minJumpMs)) {
      events.tell({ kind: 'prune deferred', jumpMs })
      return
    }
    const options = { now: new Date(nowMs), lookBackSeconds: this.#lookBackSeconds }
    try {
      const result = await ask(store, (asked) => asked.prune(options))
      events.tell({ kind: 'pruned', result })
    } catch (error) {
      events.tell({ kind: 'not pruned', error })
    }
  }
}

const firstMs = 60_000
/** With a short look-back, corrections of the clock are not jumps. */
const minJumpMs = 5 * 60_000
