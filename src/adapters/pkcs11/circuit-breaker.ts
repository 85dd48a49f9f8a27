// A circuit breaker: after failures in a row nobody waits on a dead token, and one probe at a time looks whether it is back.

import { PkiError } from '../../errors/index.ts'
import type { Clock } from '../../runtime/index.ts'

/** When the breaker opens, and how often it probes. */
export interface CircuitBreakerOptions {
  readonly clock: Clock
  /** Failures in a row that open it. */
  readonly threshold: number
  /** The wait before the first probe; doubled after each that fails. */
  readonly firstProbeMs: number
  readonly longestProbeMs: number
  /** Resolves when the backend is back. Never called twice at a time. */
  readonly probe: () => Promise<void>
}

/** Closed: calls pass. Open: calls are refused at once, and the probe runs by the clock. */
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

  /** @throws the failure that opened it. */
  check(): void {
    if (this.#open !== undefined)
      throw new PkiError('ERR_HSM_UNAVAILABLE', `not tried: ${this.#open.message}`, { cause: this.#open })
  }

  /** A call went well. */
  succeeded(): void {
    this.#failures = 0
    this.#delayMs = this.#options.firstProbeMs
  }

  /** A call failed for the backend's sake. Opens at the threshold, or at once if the backend is known to be gone. */
  failed(reason: PkiError, gone: boolean): void {
    this.#failures++
    if (!gone && this.#failures < this.#options.threshold) return
    if (this.#open !== undefined || this.#stopped) return
    this.#open = reason
    this.#arm()
  }

  /** Stops probing for good. */
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
    // Half open: the first failure after a probe opens it again, with the longer wait; a success forgets both.
    this.#failures = Math.max(this.#failures, this.#options.threshold) - 1
  }
}
