// Faults of the grammar as errors: the rule's number, what is wrong and where, the text in printable ASCII.

import { PkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import { fault, maxSpiffeIdLength, maxTrustDomainLength } from './grammar.ts'
import type { Fault } from './grammar.ts'

/** The error for a fault found in `text`, under the code of what was being parsed. */
export function grammarError<Code extends SpiffeErrorCode>(code: Code, found: number, text: string): PkiError<Code> {
  const { rule, reason } = reasons[found as Fault]
  return new PkiError(code, `${subjects[code]} ${quoted(text)}: ${reason} (${rule})`)
}

/** The error for a value that is no string at all. */
export function notTextError<Code extends SpiffeErrorCode>(code: Code, value: unknown): PkiError<Code> {
  return new PkiError(code, `${subjects[code]}: a string is wanted, ${value === null ? 'null' : typeof value} was given (ID-1)`)
}

/** `text` in double quotes, cut at 128 units, everything but printable ASCII escaped: it may come from a peer and go to a log. */
export function quoted(text: string): string {
  let out = '"'
  for (let at = 0; at < text.length; at++) {
    if (at === maxQuoted) return `${out}…" (${text.length} characters)`
    const unit = text.charCodeAt(at)
    const plain = unit > 0x1f && unit < 0x7f && unit !== 0x22 && unit !== 0x5c
    out += plain ? text.charAt(at) : `\\u${unit.toString(16).padStart(4, '0')}`
  }
  return `${out}"`
}

type SpiffeErrorCode = Extract<PkiErrorCode, 'ERR_SPIFFE_ID_INVALID' | 'ERR_TRUST_DOMAIN_INVALID' | 'ERR_SPIFFE_PATH_INVALID'>

const maxQuoted = 128

const subjects: Readonly<Record<SpiffeErrorCode, string>> = {
  ERR_SPIFFE_ID_INVALID: 'not a SPIFFE ID',
  ERR_TRUST_DOMAIN_INVALID: 'not a trust domain name',
  ERR_SPIFFE_PATH_INVALID: 'not the path of a SPIFFE ID',
}

const reasons: Readonly<Record<Fault, { readonly rule: string; readonly reason: string }>> = {
  [fault.empty]: { rule: 'ID-1', reason: 'it is empty' },
  [fault.tooLong]: { rule: 'ID-7', reason: `it is longer than ${maxSpiffeIdLength} bytes` },
  [fault.scheme]: { rule: 'ID-1', reason: 'it does not begin with spiffe:// in lower case' },
  [fault.trustDomainMissing]: { rule: 'ID-1', reason: 'the trust domain is empty' },
  [fault.trustDomainTooLong]: { rule: 'ID-7', reason: `the trust domain is longer than ${maxTrustDomainLength} bytes` },
  [fault.trustDomainCharacter]: { rule: 'ID-3', reason: 'a trust domain has only the characters a-z 0-9 . - _' },
  [fault.pathStart]: { rule: 'ID-6', reason: 'a path begins with /' },
  [fault.segmentEmpty]: { rule: 'ID-6', reason: 'a path segment is empty' },
  [fault.segmentDot]: { rule: 'ID-6', reason: 'a path segment is . or ..' },
  [fault.segmentCharacter]: { rule: 'ID-5', reason: 'a path segment has only the characters a-z A-Z 0-9 . - _' },
  [fault.trailingSlash]: { rule: 'ID-6', reason: 'it ends with /' },
}
