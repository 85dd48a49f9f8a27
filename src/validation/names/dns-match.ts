// Comparison of DNS names: presented, expected, and as constraints (RFC 5280 §4.2.1.10, RFC 9525 §6.3).

import { isWildcard } from '../../internal/host-text.ts'

/**
 * Whether `name` is `base` or below it: "any DNS name that can be constructed by simply adding zero or more
 * labels to the left-hand side". An empty base covers every name. Both must be in lower case.
 */
export function isWithinDomain(name: string, base: string): boolean {
  if (base === '') return true
  return name.endsWith(base) && (name.length === base.length || name[name.length - base.length - 1] === '.')
}

/**
 * Whether a name that the wildcard matches can be within `base`: `*.example.com` may be `secret.example.com`,
 * which an excluded `secret.example.com` must cover (CVE-2025-61727). Both must be in lower case.
 */
export function wildcardMeets(wildcard: string, base: string): boolean {
  const parent = wildcard.slice(2)
  if (isWithinDomain(parent, base)) return true
  const dot = base.indexOf('.')
  return dot > 0 && base.slice(dot + 1) === parent
}

/**
 * Whether a presented name, possibly a wildcard, matches the expected host: a wildcard matches exactly one
 * label. Both must be in lower case.
 */
export function matchesHost(presented: string, wanted: string): boolean {
  if (!presented.startsWith('*.')) return presented === wanted
  if (!isWildcard(presented)) return false
  const dot = wanted.indexOf('.')
  return dot > 0 && wanted.slice(dot + 1) === presented.slice(2)
}
