// Matchers: which SPIFFE IDs a peer may have. A matcher answers; what to do with "no" is the caller's.

import { PkiError } from '../errors/index.ts'
import { pathFormError, splitSpiffePath, SpiffeId } from './spiffe-id.ts'
import { TrustDomain } from './trust-domain.ts'

/** Whether an ID is wanted. Any function of this shape is a matcher; `description` says what is wanted, for messages. */
export interface SpiffeIdMatcher {
  (id: SpiffeId): boolean
  /** What is wanted, in words, for the message of a refusal. */
  readonly description?: string | undefined
}

/** Every ID. The peer is then authenticated but not authorised: follow with a check of your own. */
export function matchAny(): SpiffeIdMatcher {
  return matcher('any SPIFFE ID', () => true)
}

/**
 * Exactly this ID.
 *
 * @throws ERR_SPIFFE_ID_INVALID
 */
export function matchId(id: SpiffeId | string): SpiffeIdMatcher {
  const wanted = SpiffeId.from(id)
  return matcher(wanted.toString(), (found) => found.equals(wanted))
}

/**
 * Any of these IDs; none of an empty list.
 *
 * @throws ERR_SPIFFE_ID_INVALID
 */
export function matchOneOf(ids: Iterable<SpiffeId | string>): SpiffeIdMatcher {
  const wanted = new Set<string>()
  for (const id of ids) wanted.add(SpiffeId.from(id).toString())
  return matcher(wanted.size === 0 ? 'no SPIFFE ID' : `one of ${[...wanted].join(', ')}`, (found) =>
    wanted.has(found.toString()),
  )
}

/**
 * Every ID of a trust domain.
 *
 * @throws ERR_TRUST_DOMAIN_INVALID
 */
export function matchMemberOf(trustDomain: TrustDomain | string): SpiffeIdMatcher {
  const wanted = TrustDomain.from(trustDomain)
  return matcher(`a member of ${wanted.idString}`, (found) => found.memberOf(wanted))
}

/**
 * IDs of a trust domain whose path fits a pattern: a segment `*` stands for exactly one segment, a last segment `**` for
 * one or more; every other segment for itself. `/ns/prod/sa/*` fits `/ns/prod/sa/api` and not `/ns/prod/sa/api/x`.
 *
 * @throws ERR_TRUST_DOMAIN_INVALID
 * @throws ERR_SPIFFE_PATH_INVALID a `*` within a segment, a `**` before the end, or no path
 * @example
 * ```ts
 * matchPathPattern('example.org', '/ns/prod/sa/*')(SpiffeId.parse('spiffe://example.org/ns/prod/sa/api')) // true
 * ```
 */
export function matchPathPattern(trustDomain: TrustDomain | string, pattern: string): SpiffeIdMatcher {
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
}

/**
 * Returns the ID if the matcher wants it.
 *
 * @throws ERR_SPIFFE_ID_MISMATCH
 */
export function requireMatch(id: SpiffeId, wanted: SpiffeIdMatcher): SpiffeId {
  // Only `true` is a yes: an asynchronous function given by mistake answers with a promise, which is truthy.
  if ((wanted(id) as unknown) === true) return id
  throw new PkiError(
    'ERR_SPIFFE_ID_MISMATCH',
    `${id.toString()} found, ${wanted.description ?? 'another SPIFFE ID'} wanted`,
  )
}

function patternSegments(pattern: string): string[] {
  if (typeof pattern !== 'string' || pattern === '') throw pathFormError('', 'a pattern that begins with /')
  // The wildcards are no legal segments: stand-ins let the grammar judge the rest.
  const segments = pattern.split('/').map((segment) => (segment === '*' || segment === '**' ? 'w' : segment))
  splitSpiffePath(segments.join('/'))
  const wanted = pattern.slice(1).split('/')
  if (wanted.slice(0, -1).includes('**')) throw pathFormError(pattern, '** only as the last segment')
  return wanted
}

function matcher(description: string, matches: (id: SpiffeId) => boolean): SpiffeIdMatcher {
  return Object.assign(matches, { description })
}
