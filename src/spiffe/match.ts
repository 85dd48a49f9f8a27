// Matchers: predicates over SPIFFE IDs, used to authorise a peer.

import { PkiError } from '../errors/index.ts'
import { requireIterable } from '../internal/options.ts'
import { pathFormError, splitSpiffePath, SpiffeId } from './spiffe-id.ts'
import { TrustDomain } from './trust-domain.ts'

/**
 * Whether an ID is accepted. Any function with this signature is a matcher;
 * `description` names the accepted IDs in messages.
 */
export interface SpiffeIdMatcher {
  (id: SpiffeId): boolean
  /** The accepted IDs in words, for the message of a refusal. */
  readonly description?: string | undefined
}

/** Matchers of SPIFFE IDs, and the check against one. */
export const match: {
  /** Accepts every ID. The peer is then authenticated but not authorised: check its ID yourself. */
  any(): SpiffeIdMatcher
  /**
   * Exactly this ID.
   *
   * @throws ERR_SPIFFE_ID_INVALID
   */
  id(id: SpiffeId | string): SpiffeIdMatcher
  /**
   * Any of these IDs; an empty list accepts nothing.
   *
   * @throws ERR_SPIFFE_ID_INVALID
   */
  oneOf(ids: Iterable<SpiffeId | string>): SpiffeIdMatcher
  /**
   * Every ID of a trust domain.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID
   */
  memberOf(trustDomain: TrustDomain | string): SpiffeIdMatcher
  /**
   * IDs of a trust domain whose path fits a pattern: a segment `*` matches exactly one
   * segment, a last segment `**` one or more; every other segment is compared literally.
   * `/ns/prod/sa/*` matches `/ns/prod/sa/api` and not `/ns/prod/sa/api/x`.
   *
   * @throws ERR_TRUST_DOMAIN_INVALID
   * @throws ERR_SPIFFE_PATH_INVALID a `*` within a segment, a `**` before the end, or no path
   * @example
   * ```ts
   * const matches = match.pathPattern('example.org', '/ns/prod/sa/*')
   * matches(SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')) // true
   * ```
   */
  pathPattern(trustDomain: TrustDomain | string, pattern: string): SpiffeIdMatcher
  /**
   * Returns the ID if the matcher accepts it.
   *
   * @throws ERR_SPIFFE_ID_MISMATCH
   */
  require(id: SpiffeId, wanted: SpiffeIdMatcher): SpiffeId
} = Object.freeze({
  any: () => matcher('any SPIFFE ID', () => true),

  id(id: SpiffeId | string) {
    const wanted = SpiffeId.from(id)
    return matcher(wanted.toString(), (found) => found.equals(wanted))
  },

  oneOf(ids: Iterable<SpiffeId | string>) {
    const wanted = new Set<string>()
    for (const id of requireIterable('match.oneOf', ids)) wanted.add(SpiffeId.from(id).toString())
    return matcher(wanted.size === 0 ? 'no SPIFFE ID' : `one of ${[...wanted].join(', ')}`, (found) =>
      wanted.has(found.toString()),
    )
  },

  memberOf(trustDomain: TrustDomain | string) {
    const wanted = TrustDomain.from(trustDomain)
    return matcher(`a member of ${wanted.idString}`, (found) => found.memberOf(wanted))
  },

  pathPattern(trustDomain: TrustDomain | string, pattern: string) {
    const domain = TrustDomain.from(trustDomain)
    const wanted = patternSegments(pattern)
    const open = wanted.at(-1) === '**'
    if (open) wanted.pop()
    return matcher(`${domain.idString}${pattern}`, (found) => {
      if (!found.memberOf(domain)) return false
      const { segments } = found
      const fits = open ? segments.length > wanted.length : segments.length === wanted.length
      return fits && wanted.every((segment, at) => segment === '*' || segment === segments[at])
    })
  },

  require(id: SpiffeId, wanted: SpiffeIdMatcher) {
    if (!(id instanceof SpiffeId) || typeof wanted !== 'function')
      throw new PkiError('ERR_INVALID_ARGUMENT', 'match.require: expected a SpiffeId and a matcher')
    // Only the literal `true` accepts: a promise, returned by an async function given by mistake, is truthy.
    if ((wanted(id) as unknown) === true) return id
    throw new PkiError(
      'ERR_SPIFFE_ID_MISMATCH',
      `found ${id.toString()}, expected ${wanted.description ?? 'another SPIFFE ID'}`,
    )
  },
})

function patternSegments(pattern: string): string[] {
  if (typeof pattern !== 'string' || pattern === '') throw pathFormError('', 'a pattern that begins with /')
  // Wildcards are not legal segments: placeholders replace them so that the
  // grammar can check the other segments.
  const segments = pattern.split('/').map((segment) => (segment === '*' || segment === '**' ? 'w' : segment))
  splitSpiffePath(segments.join('/'))
  const wanted = pattern.slice(1).split('/')
  if (wanted.slice(0, -1).includes('**')) throw pathFormError(pattern, '** only as the last segment')
  return wanted
}

function matcher(description: string, matches: (id: SpiffeId) => boolean): SpiffeIdMatcher {
  return Object.assign(matches, { description })
}
