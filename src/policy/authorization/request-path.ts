// Paths of requests: the normalisations of Istio's mesh configuration, and its template operators `{*}` and
// `{**}`.

import { compileStringMatch } from './string-match.ts'
import type { StringTest } from './string-match.ts'

/**
 * How a path is normalised before it is compared: `pathNormalization` of Istio's mesh configuration.
 * @inline
 */
export type PathNormalization = 'none' | 'base' | 'merge-slashes' | 'decode-and-merge-slashes'

export const pathNormalizations = ['none', 'base', 'merge-slashes', 'decode-and-merge-slashes'] as const

/** The path that policies match: normalised, without query and fragment. */
export function normalizePath(target: string, normalization: PathNormalization): string {
  const end = target.search(/[?#]/)
  let path = end < 0 ? target : target.slice(0, end)
  if (normalization === 'none') return path
  if (normalization === 'decode-and-merge-slashes') path = path.replace(/%2f/gi, '/').replace(/%5c/gi, '\\')
  path = withoutDots(decodeUnreserved(path).replaceAll('\\', '/'))
  return normalization === 'base' ? path : path.replace(/\/{2,}/g, '/')
}

/** RFC 3986 §6.2.2.2: `%41` and `A` are the same. */
function decodeUnreserved(path: string): string {
  return path.includes('%')
    ? path.replace(/%([0-9a-f]{2})/gi, (whole, digits: string) => {
        const character = String.fromCharCode(Number.parseInt(digits, 16))
        return /[A-Za-z0-9._~-]/.test(character) ? character : whole
      })
    : path
}

/** RFC 3986 §5.2.4. */
function withoutDots(path: string): string {
  if (!path.includes('/.')) return path
  const segments = path.split('/')
  const kept: string[] = []
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1
    if (segment === '..' && kept.length > 1) kept.pop()
    else if (segment !== '.' && segment !== '..') {
      kept.push(segment)
      continue
    }
    // `/a/..` and `/a/.` name the folder, which ends in a slash.
    if (last) kept.push('')
  }
  return kept.join('/')
}

/** A test for `paths`, or the fault in its text. */
export function compilePathMatch(text: string): StringTest | string {
  if (!/[{}]/.test(text)) return compileStringMatch(text)
  const fault = (what: string): string => `${JSON.stringify(text)} is not a path template: ${what}`
  if (!text.startsWith('/')) return fault('it must begin with /')
  const segments = text.slice(1).split('/')
  const rest = segments.indexOf('{**}')
  for (const [i, segment] of segments.entries()) {
    if (segment === '{*}' || segment === '{**}') {
      if (rest >= 0 && i > rest) return fault('{**} must be the last operator')
    } else if (/[{}*]/.test(segment)) return fault('an operator, {*} or {**}, must be a whole segment')
  }
  if (rest < 0) return templateTest(segments)
  const head = templateTest(segments.slice(0, rest))
  const tail = segments.slice(rest + 1).map((segment) => `/${segment}`)
  const end = tail.join('')
  return (path) => {
    // The part before {**}, with the slash at its end.
    const at = offsetOfSegment(path, rest)
    return at !== undefined && head(path.slice(0, at)) && path.slice(at + 1).endsWith(end)
  }
}

/** Compares each segment with a name, or accepts any segment that is not empty. */
function templateTest(segments: readonly string[]): StringTest {
  return (path) => {
    if (segments.length === 0) return path === ''
    const found = path.slice(1).split('/', segments.length + 1)
    return (
      path.startsWith('/') &&
      found.length === segments.length &&
      segments.every((segment, i) => (segment === '{*}' ? found[i] !== '' : segment === found[i]))
    )
  }
}

/** Offset of the slash before segment `index`. */
function offsetOfSegment(path: string, index: number): number | undefined {
  let at = path.indexOf('/')
  if (at !== 0) return undefined
  for (let i = 0; i < index; i++) {
    at = path.indexOf('/', at + 1)
    if (at < 0) return undefined
  }
  return at
}
