// Maps claims to SPIFFE IDs as data: templates over claims with one segment per claim, patterns that split a
// claim, required claims.

import { PkiError } from '../../errors/index.ts'
import { isJsonObject } from '../../internal/json.ts'
import type { JsonObject, JsonValue } from '../../internal/json.ts'
import { SpiffeId, TrustDomain } from '../../spiffe/index.ts'

/** Creates the identities from verified claims. */
export type IdentityMapping = (claims: JsonObject) => readonly SpiffeId[]

type Lookup = (claims: JsonObject) => JsonValue | undefined
/** A literal, or the path to a claim. */
type Segment = string | { readonly name: string; readonly lookup: Lookup }

/**
 * Compiles a template such as `spiffe://example.org/ci/{owner}/{repo}`. A segment is a literal or one
 * `{claim}`; the trust domain is a literal. `{/a/b}` is a JSON Pointer (RFC 6901) into nested claims.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_TRUST_DOMAIN_INVALID
 */
export function compileTemplate(template: string, extracted: ReadonlyMap<string, Lookup>): IdentityMapping {
  const [, domain = '', path] = /^spiffe:\/\/([^/{}]+)\/(.+)$/s.exec(template) ?? []
  if (path === undefined) throw badTemplate(template, 'expected spiffe://, a trust domain and a path')
  const trustDomain = TrustDomain.parse(domain)
  // Split only at slashes outside braces: a JSON Pointer contains slashes too.
  const segments = path.split(/\/(?![^{}]*\})/).map((segment): Segment => {
    const name = /^\{([^{}]+)\}$/s.exec(segment)?.[1]
    if (name !== undefined) return { name, lookup: extracted.get(name) ?? claimLookup(name) }
    if (SpiffeId.tryParse(`${trustDomain.idString}/${segment}`) !== undefined) return segment
    throw badTemplate(template, `the segment ${JSON.stringify(segment)} is neither a literal nor one {claim}`)
  })
  return (claims) => [
    SpiffeId.fromSegments(
      trustDomain,
      segments.map((segment) =>
        typeof segment === 'string' ? segment : segmentText(segment.name, segment.lookup(claims)),
      ),
    ),
  ]
}

/**
 * Compiles patterns such as `{ repository: '{owner}/{repo}' }`. The whole claim must match the pattern. Each
 * variable matches characters of one path segment (rule ID-5).
 *
 * @throws ERR_INVALID_ARGUMENT two variables without a separator between them, or a variable that occurs
 * twice
 */
export function compilePatterns(patterns: Readonly<Record<string, string>>): ReadonlyMap<string, Lookup> {
  const lookups = new Map<string, Lookup>()
  for (const [claim, pattern] of Object.entries(patterns)) {
    const parts = pattern.split(/\{([^{}]*)\}/)
    const names = parts.filter((_, at) => at % 2 === 1)
    const literals = parts.filter((_, at) => at % 2 === 0)
    // A literal that a segment may contain would make the end of the variable before it ambiguous.
    const between = literals.slice(1, -1)
    if (names.length === 0 || names.includes('') || between.some((text) => !/^[^A-Za-z0-9._-]/.test(text)))
      throw badTemplate(pattern, 'expected variables, separated by a character that a segment cannot contain')
    if (!/^(?:$|[^A-Za-z0-9._-])/.test(literals.at(-1) ?? ''))
      throw badTemplate(
        pattern,
        'expected the end, or a character that a segment cannot contain, after the last variable',
      )
    const take = claimLookup(claim)
    for (const [at, name] of names.entries()) {
      if (lookups.has(name)) throw badTemplate(pattern, `the variable ${name} occurs twice`)
      lookups.set(name, (claims) => takeApart(claim, take(claims), literals)[at])
    }
  }
  return lookups
}

function takeApart(
  claim: string,
  value: JsonValue | undefined,
  literals: readonly string[],
): readonly string[] {
  const text = typeof value === 'string' ? value : ''
  const found: string[] = []
  let at = 0
  for (const [index, literal] of literals.entries()) {
    if (!text.startsWith(literal, at)) throw claimError(claim, 'does not match its pattern')
    at += literal.length
    if (index === literals.length - 1) break
    const [run = ''] = /^[A-Za-z0-9._-]*/.exec(text.slice(at)) ?? []
    if (run === '') throw claimError(claim, 'does not match its pattern')
    found.push(run)
    at += run.length
  }
  if (at !== text.length) throw claimError(claim, 'does not match its pattern')
  return found
}

/** A claim by its name, or by a JSON Pointer, which begins with a slash. */
function claimLookup(name: string): Lookup {
  if (!name.startsWith('/')) return (claims) => claims[name]
  const steps = name
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return (claims) => {
    let value: JsonValue | undefined = claims
    for (const step of steps) value = isJsonObject(value) ? value[step] : undefined
    return value
  }
}

type WantedValue = string | number | boolean

/**
 * Compiles required claims. A list of values means any one of them. A claim that is a list must contain one
 * of the values.
 *
 * @throws ERR_INVALID_ARGUMENT for a claim without a value, for example from an unset variable
 */
export function compileRequiredClaims(
  owner: string,
  required: Readonly<Record<string, WantedValue | readonly WantedValue[]>>,
): (claims: JsonObject) => void {
  const rules = Object.entries(required).map(([name, wanted]) => {
    const values: readonly unknown[] = Array.isArray(wanted) ? [...(wanted as readonly unknown[])] : [wanted]
    if (values.length === 0 || values.some((value) => !isWanted(value)))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `${owner}: requiredClaims.${name} must be a non-empty string, a number, a boolean or a list of them`,
      )
    return { name, values, lookup: claimLookup(name) }
  })
  return (claims) => {
    for (const { name, values, lookup } of rules) {
      const found = lookup(claims)
      const fits = Array.isArray(found)
        ? (found as readonly unknown[]).some((one) => values.includes(one))
        : values.includes(found)
      if (!fits) throw claimError(name, 'does not have one of the required values')
    }
  }
}

function isWanted(value: unknown): boolean {
  return (typeof value === 'string' && value !== '') || typeof value === 'boolean' || Number.isFinite(value)
}

function segmentText(name: string, value: JsonValue | undefined): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  throw claimError(name, 'is absent, or neither a string nor an integer')
}

function claimError(name: string, what: string): PkiError<'ERR_JWT_CLAIM'> {
  return new PkiError('ERR_JWT_CLAIM', `the claim ${name.slice(0, 128)} ${what}`)
}

function badTemplate(template: string, what: string): PkiError<'ERR_INVALID_ARGUMENT'> {
  return new PkiError('ERR_INVALID_ARGUMENT', `${JSON.stringify(template.slice(0, 256))}: ${what}`)
}
