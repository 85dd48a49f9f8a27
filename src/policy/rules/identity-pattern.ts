// The SPIFFE IDs to which a rule applies: exact, by template, or all of the trust domain; never a regular
// expression.

import { isPkiError } from '../../errors/index.ts'
import { SpiffeId } from '../../spiffe/index.ts'

/** The values of the placeholders of a template: `{ ns: 'prod', sa: 'api' }`. */
export type PatternValues = Readonly<Record<string, string>>

/** A pattern: the segments of a path. */
export interface IdentityPattern {
  /** The names in braces. */
  readonly placeholders: readonly string[]
  /** A name, or undefined for a placeholder. */
  readonly segments: readonly (string | undefined)[]
  /** Whether one or more further segments follow. */
  readonly open: boolean
}

/**
 * A pattern from its text: a whole SPIFFE ID; a path in which a segment `{name}` stands for exactly one
 * segment and a last segment `**` for one or more; or `*` for every workload. A path is in the trust domain
 * of the policy.
 *
 * @returns the fault, as text, if it is not a valid pattern
 */
export function parseIdentityPattern(text: string, trustDomain: string): IdentityPattern | string {
  if (text === '*') return { placeholders: [], segments: [], open: true }
  const path = text.startsWith('/') ? text : pathOf(text, trustDomain)
  if (path === undefined)
    return (
      `${JSON.stringify(text)} is neither a path such as "/ns/{ns}/sa/{sa}" ` +
      `nor a SPIFFE ID of ${trustDomain}`
    )
  const segments = path.slice(1).split('/')
  const open = segments.at(-1) === '**'
  const fixed = open ? segments.slice(0, -1) : segments
  const fault = segments.length > maxSegments ? `more than ${maxSegments} segments` : faultOf(fixed)
  if (fault !== undefined) return `${JSON.stringify(text)}: ${fault}`
  const names = fixed.map((segment) => placeholder.exec(segment)?.[1])
  const placeholders = names.filter((name) => name !== undefined)
  if (new Set(placeholders).size !== placeholders.length)
    return `${JSON.stringify(text)} has a placeholder twice`
  return {
    placeholders,
    segments: fixed.map((segment, i) => (names[i] === undefined ? segment : undefined)),
    open,
  }
}

/** The values of the placeholders of a pattern in a path that matches it. */
export function placeholderValues(
  { placeholders, segments }: IdentityPattern,
  found: readonly string[],
): PatternValues {
  const values = Object.create(null) as Record<string, string>
  let next = 0
  for (const [i, segment] of segments.entries())
    if (segment === undefined) values[placeholders[next++] as string] = found[i] as string
  return values
}

/** The path of a whole ID, which may contain placeholders. */
function pathOf(text: string, trustDomain: string): string | undefined {
  const prefix = `spiffe://${trustDomain}/`
  return text.startsWith(prefix) ? text.slice(prefix.length - 1) : undefined
}

function faultOf(segments: readonly string[]): string | undefined {
  const plain = segments.map((segment) => (placeholder.test(segment) ? 'x' : segment))
  const odd = plain.find((segment) => /[{}*]/.test(segment))
  if (odd !== undefined) return `the segment ${JSON.stringify(odd)} is neither a name nor one {placeholder}`
  if (plain.length === 0) return undefined
  try {
    SpiffeId.fromSegments('x', plain)
    return undefined
  } catch (error) {
    if (isPkiError(error)) return error.message
    throw error
  }
}

const placeholder = /^\{([a-z][a-z0-9_]{0,31})\}$/
const maxSegments = 32
