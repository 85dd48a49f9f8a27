// Verifies the claims of a JWT: times, audience (RFC 7519 section 4.1, RFC 8725).

import { PkiError, isPkiError } from '../../errors/index.ts'
import type { JsonObject } from '../../internal/json.ts'
import { checkMeasures } from '../../internal/numbers.ts'
import { authenticationError } from '../require-caller.ts'

/** The requirements for a token in addition to its signature. */
export interface TokenRules {
  /** One of these must be in `aud`; undefined only for tokens without an audience. */
  readonly audience: readonly string[] | undefined
  /**
   * The maximum age of a token by `iat`, and the maximum distance of `exp` from `iat`, in seconds; undefined
   * only for tokens without `exp`.
   */
  readonly maxTokenAgeSeconds: number | undefined
  readonly clockSkewSeconds: number
}

/**
 * The expected audiences. @throws ERR_INVALID_ARGUMENT for an empty list, which would accept a token for any
 * service
 */
export function requireAudience(owner: string, wanted: unknown): readonly string[] {
  const names: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted]
  if (names.length > 0 && names.every((name) => typeof name === 'string' && name.trim() !== ''))
    return Object.freeze([...(names as readonly string[])])
  throw new PkiError('ERR_INVALID_ARGUMENT', `${owner}: audience must be one or more non-empty strings`)
}

/** Age and skew with their defaults. @throws ERR_INVALID_ARGUMENT */
export function tokenTimes(
  maxTokenAgeSeconds: number = defaultMaxAgeSeconds,
  clockSkewSeconds: number = defaultSkewSeconds,
): { readonly maxTokenAgeSeconds: number; readonly clockSkewSeconds: number } {
  checkMeasures({ maxTokenAgeSeconds }, 1)
  checkMeasures({ clockSkewSeconds }, 0, 300)
  return { maxTokenAgeSeconds, clockSkewSeconds }
}

/** Times and audience. @throws ERR_JWT_CLAIM, ERR_JWT_EXPIRED, ERR_JWT_NOT_YET_VALID, ERR_JWT_AUDIENCE */
export function checkClaims(claims: JsonObject, rules: TokenRules, nowMs: number): void {
  const { audience, maxTokenAgeSeconds, clockSkewSeconds } = rules
  checkTimes(claims, maxTokenAgeSeconds, clockSkewSeconds, nowMs / 1000)
  const names = audienceOf(claims)
  if (audience !== undefined && !names.some((name) => audience.includes(name)))
    throw new PkiError(
      'ERR_JWT_AUDIENCE',
      `the token is for ${JSON.stringify(names).slice(0, 256)}, expected ${JSON.stringify(audience)}`,
    )
}

/**
 * The `aud` claim as a list; empty if it is absent. @throws ERR_JWT_CLAIM if it is neither a string nor a
 * list of strings
 */
function audienceOf({ aud }: JsonObject): readonly string[] {
  if (aud === undefined) return []
  const names: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (names.every((name) => typeof name === 'string' && name !== '')) return names as readonly string[]
  throw new PkiError('ERR_JWT_CLAIM', 'aud is neither a string nor a list of strings')
}

function checkTimes(claims: JsonObject, maxAge: number | undefined, skew: number, now: number): void {
  const exp = seconds(claims, 'exp')
  const nbf = seconds(claims, 'nbf')
  const iat = seconds(claims, 'iat')
  if (exp === undefined && maxAge !== undefined) throw claimError('the token has no exp')
  // RFC 7519 §4.1.4: the current time MUST be before `exp`.
  if (exp !== undefined && now - skew >= exp)
    throw new PkiError('ERR_JWT_EXPIRED', `the token expired ${Math.ceil(now - exp)} s ago`)
  for (const begin of [nbf, iat])
    if (begin !== undefined && now + skew < begin)
      throw new PkiError('ERR_JWT_NOT_YET_VALID', `the token becomes valid in ${Math.ceil(begin - now)} s`)
  if (maxAge === undefined) return
  if (iat === undefined) throw claimError('the token has no iat, which the maximum age requires')
  if (now - iat > maxAge + skew)
    throw new PkiError(
      'ERR_JWT_EXPIRED',
      `the token was issued ${Math.floor(now - iat)} s ago; the maximum age is ${maxAge} s`,
    )
}

/** NumericDate of RFC 7519 §2: seconds, also with a fraction. */
function seconds(claims: JsonObject, name: string): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= 0 && value <= maxNumericDate) return value
  throw claimError(`${name} is not a NumericDate`)
}

/** The refusal of a token for its contents. Errors of a lookup are returned unchanged. */
export function tokenRefusal(error: unknown): unknown {
  return isPkiError(error) && refusalPrefixes.some((prefix) => error.code.startsWith(prefix))
    ? authenticationError(error.message, { cause: error })
    : error
}

function claimError(reason: string): PkiError<'ERR_JWT_CLAIM'> {
  return new PkiError('ERR_JWT_CLAIM', reason)
}

const defaultMaxAgeSeconds = 86_400
/** The same value as in go-spiffe. */
const defaultSkewSeconds = 60
/** The last second that a Date can represent. */
const maxNumericDate = 8_640_000_000_000
const refusalPrefixes = ['ERR_JWT_', 'ERR_SPIFFE_', 'ERR_TRUST_DOMAIN_', 'ERR_BUNDLE_NOT_FOUND', 'ERR_LIMIT_']
