// A circuit breaker: after consecutive failures calls fail at once, and one
// probe at a time checks whether the token works again.

import { PkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'

/** When the breaker opens, and how often it probes. */
export interface CircuitBreakerOptions {
  readonly clock: Clock
  /** The number of consecutive failures that open it. */
  readonly threshold: number
  /** The delay before the first probe; doubled after each failed one. */
  readonly firstProbeMs: number
  readonly longestProbeMs: number
  /** Resolves when the backend works again. Never called concurrently. */
  readonly probe: () => Promise<void>
}

/** Closed: calls pass. Open: calls fail at once, and probes run on a timer. */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  #failures = 0
  #open: PkiError | undefined
  #delayMs: number
  #stopTimer: (() => void) | undefined
  #stopped = false

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#delayMs = options.firstProbeMs
  }

  get isOpen(): boolean {
    return this.#open !== undefined
  }

  /** @throws the failure that opened the breaker */
  check(): void {
    if (this.#open !== undefined)
      throw new PkiError('ERR_HSM_UNAVAILABLE', `not tried: ${this.#open.message}`, { cause: this.#open })
  }

  /** Records a success. */
  succeeded(): void {
    this.#failures = 0
    this.#delayMs = this.#options.firstProbeMs
  }

  /**
   * Records a failure of the backend. Opens at the threshold, or at once if the backend is known to be gone.
   */
  failed(reason: PkiError, gone: boolean): void {
    this.#failures++
    if (!gone && this.#failures < this.#options.threshold) return
    if (this.#open !== undefined || this.#stopped) return
    this.#open = reason
    this.#arm()
  }

  /** Stops probing permanently. */
  stop(): void {
    this.#stopped = true
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #arm(): void {
    this.#stopTimer = this.#options.clock.schedule(() => {
      void this.#probe()
    }, this.#delayMs)
    this.#delayMs = Math.min(this.#delayMs * 2, this.#options.longestProbeMs)
  }

  async #probe(): Promise<void> {
    this.#stopTimer = undefined
    try {
      await this.#options.probe()
    } catch {
      if (!this.#stopped) this.#arm()
      return
    }
    this.#open = undefined
    // Half open: the first failure after a probe opens it again, with the longer
    // delay; a success resets both.
    this.#failures = Math.max(this.#failures, this.#options.threshold) - 1
  }
}
