// Paths of SPIFFE IDs, taken alone: SPIFFE-ID.md section 2.2.

import { fault, maxSpiffeIdLength, scanPath, scanSegment } from './grammar.ts'
import { grammarError, notTextError, quoted } from './grammar-error.ts'
import { PkiError } from '../errors/index.ts'

/** Whether `text` is a path: empty, or segments each after a `/` (rules ID-5, ID-6). */
export function isSpiffePath(text: string): boolean {
  if (typeof text !== 'string' || text.length > maxSpiffeIdLength) return false
  return text === '' || scanPath(text, 0) === 0
}

/**
 * Refuses what is no path; `''` is one.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function assertSpiffePath(text: string): void {
  if (typeof text !== 'string') throw notTextError('ERR_SPIFFE_PATH_INVALID', text)
  if (text === '') return
  const found = text.length > maxSpiffeIdLength ? fault.tooLong : scanPath(text, 0)
  if (found !== 0) throw grammarError('ERR_SPIFFE_PATH_INVALID', found, text)
}

/**
 * `['ns', 'prod']` to `/ns/prod`; no segments to `''`. A segment with a `/` in it is refused, so that text from outside
 * cannot become two segments.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function joinSpiffePath(segments: readonly string[]): string {
  let path = ''
  for (const segment of segments) {
    if (typeof segment !== 'string') throw notTextError('ERR_SPIFFE_PATH_INVALID', segment)
    // Before the scan, so that a long list of long segments costs no more than the longest path.
    if (path.length + segment.length >= maxSpiffeIdLength) throw grammarError('ERR_SPIFFE_PATH_INVALID', fault.tooLong, path)
    const found = scanSegment(segment)
    if (found !== 0) throw grammarError('ERR_SPIFFE_PATH_INVALID', found, segment)
    path += `/${segment}`
  }
  return path
}

/**
 * `/ns/prod` to `['ns', 'prod']`; `''` to none.
 *
 * @throws ERR_SPIFFE_PATH_INVALID
 */
export function splitSpiffePath(path: string): string[] {
  assertSpiffePath(path)
  return path === '' ? [] : path.slice(1).split('/')
}

/** The error of a path that is legal but not of the form asked for. */
export function pathFormError(path: string, form: string): PkiError<'ERR_SPIFFE_PATH_INVALID'> {
  return new PkiError('ERR_SPIFFE_PATH_INVALID', `path ${quoted(path)} found, ${form} wanted`)
}
