// Limits guessing per source: after a number of failures, every request of a source is refused for a while.

import { checkCounts, checkMeasures } from '../../internal/numbers.ts'
import { sourceOfAddress } from '../../internal/ip-address.ts'
import { readOptions } from '../../internal/options.ts'
import type { Clock } from '../../runtime/index.ts'
import type { AuthenticationRequest } from '../authenticator.ts'
import { authenticationError } from '../require-caller.ts'

/** When a source is locked out. A source is an IPv4 address or the /64 prefix of an IPv6 address. */
export interface LockOutOptions {
  /** Failures within `seconds` after which the source is refused. Default 10. */
  readonly maxFailures?: number
  /** How long failures count, and how long a source is refused, in seconds. Default 60. */
  readonly seconds?: number
}

interface Source {
  failures: number
  until: number
}

/** Counts failures of the last 10,000 sources. */
export class LockOut {
  readonly #clock: Clock
  readonly #maxFailures: number
  readonly #ms: number
  /** Ordered by the last failure, oldest first. */
  readonly #sources = new Map<string, Source>()

  /** @throws ERR_INVALID_ARGUMENT */
  constructor(owner: string, given: LockOutOptions, clock: Clock) {
    const { maxFailures = 10, seconds = 60 } = readOptions<LockOutOptions>(`${owner}: lockOut`, given, {
      maxFailures: 'guard',
      seconds: 'guard',
    })
    checkCounts({ maxFailures }, 1)
    checkMeasures({ seconds }, 1)
    this.#clock = clock
    this.#maxFailures = maxFailures
    this.#ms = seconds * 1000
  }

  /** @throws ERR_CREDENTIAL_INVALID for a source that is locked out */
  check({ peer }: AuthenticationRequest): void {
    if (this.#sources.size === 0) return
    const source = this.#sources.get(sourceOf(peer))
    if (source === undefined || source.failures < this.#maxFailures) return
    const left = source.until - this.#clock.monotonic()
    if (left > 0)
      throw authenticationError(
        `${peer?.address ?? 'local peers'} is locked out for ${Math.ceil(left / 1000)} s ` +
          `after ${source.failures} failures`,
      )
  }

  /** Counts a failure. */
  failed({ peer }: AuthenticationRequest): void {
    const key = sourceOf(peer)
    const now = this.#clock.monotonic()
    const known = this.#sources.get(key)
    const failures = known === undefined || now >= known.until ? 1 : known.failures + 1
    this.#sources.delete(key)
    this.#sources.set(key, { failures, until: now + this.#ms })
    for (const [oldest, { until }] of this.#sources) {
      if (this.#sources.size <= maxSources && until > now) break
      this.#sources.delete(oldest)
    }
  }
}

/** Peers without an address, as on a Unix socket, are one source. */
function sourceOf(peer: AuthenticationRequest['peer']): string {
  return peer === undefined ? '' : sourceOfAddress(peer.address)
}

const maxSources = 10_000
