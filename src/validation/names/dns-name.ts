// DNS names: as presented, as wanted, as a constraint. RFC 5280 §4.2.1.10, RFC 9525 §6.3.

/** Labels of letters, digits, hyphens and underscores; no empty label, so no dot at either end. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && plainName.test(name)
}

/** A name whose whole first label is `*`, with at least two labels after it. */
export function isWildcard(name: string): boolean {
  return name.startsWith('*.') && isDnsName(name.slice(2)) && name.indexOf('.', 2) > 0
}

/**
 * Whether `name` is `base` or below it, letter case aside: "any DNS name that can be constructed by simply adding zero or more labels
 * to the left-hand side". An empty base holds every name. Both in lower case.
 */
export function isWithinDomain(name: string, base: string): boolean {
  if (base === '') return true
  return name.endsWith(base) && (name.length === base.length || name[name.length - base.length - 1] === '.')
}

/**
 * Whether some name that the wildcard stands for is within `base`: `*.example.com` may be `secret.example.com`, which an excluded
 * `secret.example.com` must catch (CVE-2025-61727). Both in lower case.
 */
export function wildcardMeets(wildcard: string, base: string): boolean {
  const parent = wildcard.slice(2)
  if (isWithinDomain(parent, base)) return true
  const dot = base.indexOf('.')
  return dot > 0 && base.slice(dot + 1) === parent
}

/** Whether a presented name, which may be a wildcard, stands for the wanted host: a wildcard is exactly one label. Both in lower case. */
export function matchesHost(presented: string, wanted: string): boolean {
  if (!presented.startsWith('*.')) return presented === wanted
  if (!isWildcard(presented)) return false
  const dot = wanted.indexOf('.')
  return dot > 0 && wanted.slice(dot + 1) === presented.slice(2)
}

const plainName = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i
