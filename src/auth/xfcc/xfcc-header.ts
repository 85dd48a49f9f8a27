// Parses the header x-forwarded-client-cert as Envoy writes it (envoyproxy.io, HTTP header manipulation):
// elements separated by commas, pairs by semicolons, values optionally quoted.

import { authenticationError } from '../require-caller.ts'

/** The data of one proxy about its client. */
export interface XfccElement {
  /** Identities of the proxy's own certificate. */
  readonly by: readonly string[]
  /** Identities of the client's certificate. */
  readonly uri: readonly string[]
  /** SHA-256 of the client's certificate, hexadecimal. */
  readonly hash: string | undefined
}

/**
 * The last element, which the nearest proxy appended. The elements before it came with the request: only
 * their syntax is checked.
 *
 * @throws ERR_CREDENTIAL_INVALID
 */
export function lastXfccElement(header: string): XfccElement {
  const element = { by: [] as string[], uri: [] as string[], hash: undefined as string | undefined }
  const end = readElement(header, header.includes(',') ? startOfLast(header) : 0, element)
  if (end < header.length) throw authenticationError(`more than ${maxElements} elements in ${xfccHeader}`)
  return element
}

/** Offset after the elements that another follows, as far as they keep the grammar. */
function startOfLast(header: string): number {
  elementsBefore.lastIndex = 0
  elementsBefore.test(header)
  return elementsBefore.lastIndex
}

interface OpenElement {
  readonly by: string[]
  readonly uri: string[]
  hash: string | undefined
}

/** Reads one element from `start`. Returns the offset of the comma after it, or the length of the header. */
function readElement(header: string, start: number, element: OpenElement): number {
  let at = start
  for (;;) {
    const equals = header.indexOf('=', at)
    if (equals < 0) throw malformed('a pair without =')
    const key = header.slice(at, equals)
    const quoted = header.charCodeAt(equals + 1) === quote
    const end = quoted ? endOfQuoted(header, equals + 2) : endOfPlain(header, equals + 1)
    take(element, key, quoted ? unescape(header.slice(equals + 2, end)) : header.slice(equals + 1, end))
    at = quoted ? end + 1 : end
    if (at === header.length) return at
    const next = header.charCodeAt(at)
    if (next === comma) return at
    if (next !== semicolon) throw malformed('text after a quoted value')
    at++
  }
}

function take(element: OpenElement, key: string, value: string): void {
  switch (key.toLowerCase()) {
    case 'uri':
      element.uri.push(value)
      return
    case 'by':
      element.by.push(value)
      return
    case 'hash':
      if (element.hash !== undefined) throw malformed('two values of Hash')
      element.hash = value
      return
    case 'cert':
    case 'chain':
    case 'subject':
    case 'dns':
      return
    default:
      throw malformed('a key that Envoy does not write')
  }
}

/** Offset of the closing quote. */
function endOfQuoted(header: string, start: number): number {
  for (let at = start; at < header.length; at++) {
    const unit = header.charCodeAt(at)
    if (unit === backslash) at++
    else if (unit === quote) return at
  }
  throw malformed('a quoted value has no closing quote')
}

function endOfPlain(header: string, start: number): number {
  for (let at = start; at < header.length; at++) {
    const unit = header.charCodeAt(at)
    if (unit === comma || unit === semicolon) return at
    if (unit === quote || unit === equalsSign) throw malformed('a value that must be quoted is not quoted')
  }
  return header.length
}

function unescape(value: string): string {
  return value.includes('\\') ? value.replace(/\\(.)/gs, '$1') : value
}

function malformed(what: string): Error {
  return authenticationError(`${xfccHeader} is malformed: ${what}`)
}

/** The name of the header. */
export const xfccHeader = 'x-forwarded-client-cert'
const maxElements = 16
/**
 * Matches the elements before the last one, as long as their syntax is valid. No two alternatives begin with
 * the same character, so the pattern never backtracks: the time is linear in the length of the header.
 */
const elementsBefore = (() => {
  const pair = String.raw`(?:by|hash|cert|chain|subject|uri|dns)=(?:"(?:[^"\\]|\\[^])*"|[^",;=]*)`
  return new RegExp(`(?:${pair}(?:;${pair})*,){0,${maxElements - 1}}`, 'iy')
})()
const quote = 0x22
const comma = 0x2c
const semicolon = 0x3b
const equalsSign = 0x3d
const backslash = 0x5c
