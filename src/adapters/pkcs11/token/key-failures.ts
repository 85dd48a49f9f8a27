// Consecutive failures of single keys on a working token, so that one broken
// key does not open the breaker of the token.

import { PkiError } from '../../../errors/index.ts'
import type { Clock } from '../../../runtime/index.ts'

interface Failures {
  count: number
  last: PkiError
  /** Not tried before this time of the monotonic clock. */
  retryAt: number
}

/**
 * Counts failures by key. A key that failed too often in a row is refused at
 * once for a while; then one call tries it again.
 */
export class KeyFailures {
  readonly #maxFailures: number
  readonly #clock: Clock
  readonly #failures = new Map<string, Failures>()

  constructor(maxFailures: number, clock: Clock) {
    this.#maxFailures = maxFailures
    this.#clock = clock
  }

  /** Whether the last operation with the key failed. */
  has(key: string): boolean {
    return this.#failures.has(key)
  }

  /** @throws ERR_HSM_UNAVAILABLE with the last failure */
  check(key: string): void {
    const found = this.#failures.get(key)
    if (found === undefined || found.count < this.#maxFailures) return
    const now = this.#clock.monotonic()
    if (now >= found.retryAt) {
      found.retryAt = now + retryAfterMs // this call tries; concurrent calls do not
      return
    }
    throw new PkiError(
      'ERR_HSM_UNAVAILABLE',
      `not tried: ${found.count} operations with this key failed in a row while the token works; the last ` +
        `one: ${found.last.message}`,
      { cause: found.last },
    )
  }

  /** Records a successful operation with the key. */
  succeeded(key: string): void {
    this.#failures.delete(key)
  }

  /** Records a failed operation with the key on a working token. */
  failed(key: string, failure: PkiError): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1
    this.#failures.set(key, { count, last: failure, retryAt: this.#clock.monotonic() + retryAfterMs })
  }
}

const retryAfterMs = 2_000
