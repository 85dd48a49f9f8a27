// A short-lived cache of refused client chains: a peer that repeats one is
// refused without another verification.

import { createHash } from 'node:crypto'
import type { PkiError } from '../errors/index.ts'
import type { Clock } from '../runtime/index.ts'
import type { Certificate } from '../x509/index.ts'

interface Refusal {
  readonly error: PkiError
  readonly until: number
}

/**
 * Remembers refusals for one second by the digest of the chain, so a changed
 * bundle or CRL takes effect after that.
 */
export class RefusedChains {
  readonly #clock: Clock
  /** Ordered from the oldest. */
  readonly #refusals = new Map<string, Refusal>()
  /** A connection returns the same array on every call. */
  readonly #digests = new WeakMap<readonly Certificate[], string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The remembered refusal of this chain, if it has not expired. */
  find(chain: readonly Certificate[]): PkiError | undefined {
    if (this.#refusals.size === 0) return undefined
    const refusal = this.#refusals.get(this.#digestOf(chain))
    return refusal !== undefined && refusal.until > this.#clock.monotonic() ? refusal.error : undefined
  }

  /** Remembers a refusal; returns it. */
  remember(chain: readonly Certificate[], error: PkiError): PkiError {
    const digest = this.#digestOf(chain)
    this.#refusals.delete(digest)
    this.#refusals.set(digest, { error, until: this.#clock.monotonic() + rememberedMs })
    for (const [oldest, { until }] of this.#refusals) {
      if (this.#refusals.size <= maxRefusals && until > this.#clock.monotonic()) break
      this.#refusals.delete(oldest)
    }
    return error
  }

  #digestOf(chain: readonly Certificate[]): string {
    let digest = this.#digests.get(chain)
    if (digest === undefined) {
      const hash = createHash('sha256')
      // DER contains its own length, so the concatenations of different chains differ.
      for (const { der } of chain) hash.update(der)
      digest = hash.digest('base64')
      this.#digests.set(chain, digest)
    }
    return digest
  }
}

const rememberedMs = 1_000
const maxRefusals = 1_024
