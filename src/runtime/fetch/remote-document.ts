// A document at a URL, read once per version: ETag and Cache-Control within bounds (RFC 9110 §8.8.3, RFC 9111
// §5.2).

import { PkiError } from '../../errors/index.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { GuardedFetcher } from './guarded-fetcher.ts'
import { RefreshedValue } from './refreshed-value.ts'
import type { LoadedValue } from './refreshed-value.ts'

/** How long a document is kept; each has a default. */
export interface DocumentLifetimes {
  /** Minimum time between two fetches, in seconds. Default 30. */
  readonly cooldownSeconds?: number | undefined
  /** Bounds for the freshness that the server states, in seconds. Default 60 and 3,600. */
  readonly minFreshSeconds?: number | undefined
  readonly maxFreshSeconds?: number | undefined
  /**
   * How long after its freshness the last good document is used while the server fails, in seconds. Default
   * 3,600.
   */
  readonly maxStaleSeconds?: number
}

/** The location and the parser of a document. */
export interface RemoteDocumentOptions<T> extends DocumentLifetimes {
  readonly url: string
  readonly fetcher: GuardedFetcher
  /** Parses the octets; an error that it throws counts as a failed fetch. */
  readonly parse: (body: Uint8Array, url: string) => T
  readonly contentTypes?: readonly string[] | undefined
  readonly maxBytes?: number | undefined
  readonly clock?: Clock | undefined
  readonly forgetOn?: ((error: PkiError) => boolean) | undefined
  readonly onFailure?: ((error: PkiError) => void) | undefined
}

/** A remote document that is reloaded as needed. The value is the same object until the document changes. */
export function createRemoteDocument<T>(options: RemoteDocumentOptions<T>): RefreshedValue<T> {
  const { url, fetcher, parse, contentTypes, maxBytes, clock = systemClock, forgetOn, onFailure } = options
  const { cooldownSeconds, minFreshSeconds, maxFreshSeconds, maxStaleSeconds } = checkLifetimes(options)
  const shown = withoutQuery(url)
  let last: { readonly etag: string; readonly value: T } | undefined

  const load = async (signal: AbortSignal): Promise<LoadedValue<T>> => {
    const response = await fetcher.fetch(url, {
      headers: last === undefined ? {} : { 'if-none-match': last.etag },
      ...(contentTypes === undefined ? {} : { contentTypes }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
      signal,
    })
    const freshSeconds = Math.min(Math.max(freshness(response.headers), minFreshSeconds), maxFreshSeconds)
    if (response.status === 304 && last !== undefined) return { value: last.value, freshSeconds }
    // A 304 response to the next conditional request must not hide an invalid response to this one.
    last = undefined
    if (response.status !== 200)
      throw new PkiError('ERR_FETCH_FAILED', `${shown} answered with status ${response.status}; expected 200`)
    const value = parse(response.body, response.url)
    const { etag } = response.headers
    if (etag !== undefined && etag.length <= maxEtagLength) last = { etag, value }
    return { value, freshSeconds }
  }

  return new RefreshedValue({
    what: shown,
    load,
    clock,
    cooldownSeconds,
    maxStaleSeconds,
    forgetOn,
    onFailure,
  })
}

/** A URL for messages and logs: its query may hold a token, and its authority a password. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '').replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1')
}

/** The lifetimes with their defaults. @throws ERR_INVALID_ARGUMENT */
export function checkLifetimes(given: DocumentLifetimes): Required<{
  [Key in keyof DocumentLifetimes]: number
}> {
  const {
    cooldownSeconds = 30,
    minFreshSeconds = 60,
    maxFreshSeconds = Math.max(3_600, minFreshSeconds),
    maxStaleSeconds = 3_600,
  } = given
  checkMeasures({ cooldownSeconds, minFreshSeconds }, 1)
  checkMeasures({ maxFreshSeconds }, minFreshSeconds)
  checkMeasures({ maxStaleSeconds }, 0)
  return { cooldownSeconds, minFreshSeconds, maxFreshSeconds, maxStaleSeconds }
}

/**
 * `max-age` less `Age`, in seconds; 300 if the server states no lifetime, 0 if it forbids caching.
 */
function freshness(headers: Readonly<Record<string, string>>): number {
  const directives = (headers['cache-control'] ?? '').toLowerCase().split(',')
  const names = directives.map((directive) => directive.trim())
  if (names.includes('no-store') || names.includes('no-cache')) return 0
  const age = names.find((name) => name.startsWith('max-age='))?.slice('max-age='.length)
  if (age === undefined || !/^\d{1,10}$/.test(age)) return defaultFreshSeconds
  const spent = /^\d{1,10}$/.test(headers['age'] ?? '') ? Number(headers['age']) : 0
  return Number(age) - spent
}

const defaultFreshSeconds = 300
const maxEtagLength = 256
