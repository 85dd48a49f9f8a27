// Caches positive reviews for at most a minute, runs one review per token at a time, and pauses when a server
// does not answer.

import { createHash } from 'node:crypto'
import { PkiError, isPkiError } from '../../errors/index.ts'
import { abortable } from '../../internal/turns/waiting.ts'
import type { Clock } from '../../runtime/index.ts'
import type { ServiceAccount } from './service-account.ts'

interface Entry {
  readonly account: ServiceAccount
  readonly until: number
}

interface Review {
  readonly token: string
  readonly cluster: string
  /** When the token expires, in milliseconds since the epoch; undefined for a token without `exp`. */
  readonly expiresAt: number | undefined
  readonly signal: AbortSignal
  readonly run: (signal: AbortSignal) => Promise<ServiceAccount>
}

/** Keyed by the hash of cluster and token: the cache does not contain tokens. */
export class ReviewCache {
  readonly #clock: Clock
  readonly #maxSeconds: number
  readonly #maxInFlight: number
  /** Ordered from the oldest. */
  readonly #entries = new Map<string, Entry>()
  readonly #flights = new Map<string, Promise<ServiceAccount>>()
  /** By cluster: the end of the pause, and its reason. */
  readonly #paused = new Map<string, { readonly until: number; readonly error: PkiError }>()
  readonly #closed = new AbortController()

  constructor(clock: Clock, maxSeconds: number, maxInFlight: number) {
    this.#clock = clock
    this.#maxSeconds = maxSeconds
    this.#maxInFlight = maxInFlight
  }

  /**
   * The result for a token, from memory or from the server. @throws the error of the review; ERR_OVERLOADED;
   * ERR_ABORTED, ERR_CLOSED
   */
  async account(review: Review): Promise<ServiceAccount> {
    if (this.#closed.signal.aborted) throw new PkiError('ERR_CLOSED', 'the authenticator was closed')
    const { cluster, token, signal } = review
    const key = createHash('sha256').update(`${cluster}\n${token}`).digest('base64')
    const now = this.#clock.monotonic()
    const entry = this.#entries.get(key)
    if (entry !== undefined && now < entry.until) return entry.account
    const paused = this.#paused.get(cluster)
    if (paused !== undefined && now < paused.until) throw paused.error
    return abortable(this.#flights.get(key) ?? this.#start(key, review), signal)
  }

  #start(key: string, review: Review): Promise<ServiceAccount> {
    if (this.#flights.size >= this.#maxInFlight)
      return Promise.reject(
        new PkiError(
          'ERR_OVERLOADED',
          `${this.#maxInFlight} token reviews are running, which is the maximum`,
        ),
      )
    // Not the caller's signal: other callers may wait for the same result.
    const flight = this.#run(key, review).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }

  async #run(key: string, { cluster, expiresAt, run }: Review): Promise<ServiceAccount> {
    try {
      const account = await run(this.#closed.signal)
      this.#paused.delete(cluster)
      this.#remember(key, account, expiresAt)
      return account
    } catch (error) {
      if (isPkiError(error, 'ERR_AUTHENTICATOR_UNAVAILABLE') || isPkiError(error, 'ERR_KUBERNETES_FORBIDDEN'))
        this.#paused.set(cluster, { until: this.#clock.monotonic() + pauseMs, error })
      throw error
    }
  }

  #remember(key: string, account: ServiceAccount, expiresAt: number | undefined): void {
    const left = expiresAt === undefined ? Infinity : expiresAt - this.#clock.now()
    const forMs = Math.min(this.#maxSeconds * 1000, left)
    if (forMs <= 0) return
    this.#entries.delete(key)
    this.#entries.set(key, { account, until: this.#clock.monotonic() + forMs })
    for (const [oldest, { until }] of this.#entries) {
      if (this.#entries.size <= maxEntries && until > this.#clock.monotonic()) break
      this.#entries.delete(oldest)
    }
  }

  close(): void {
    this.#closed.abort()
    this.#entries.clear()
  }
}

const maxEntries = 10_000
const pauseMs = 1_000
