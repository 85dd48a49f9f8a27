// Why a path, or one certificate of it, was refused: data first, text second.

import { isPkiError } from '../errors/index.ts'
import type { PkiErrorCode } from '../errors/index.ts'
import type { Certificate } from '../x509/index.ts'

/** The first check that a certificate or a path failed. */
export interface Rejection {
  /** What went wrong, to switch on: `ERR_PATH_EXPIRED`, `ERR_REVOKED`, … */
  readonly code: PkiErrorCode
  /** The certificate at fault; undefined when the fault is the path's as a whole. */
  readonly certificate: Certificate | undefined
  /** The clause that was broken: `RFC 5280 §6.1.3 (a)(2)`, `X-12`. */
  readonly rule: string
  /** What was found and what was wanted. */
  readonly message: string
}

/** A rejection, in the order that reads well at the place that makes one. The message is one line, whatever it quotes, and not a long one. */
export function reject(
  code: PkiErrorCode,
  rule: string,
  message: string,
  certificate?: Certificate,
): Rejection {
  return {
    code,
    certificate,
    rule,
    message: shortened(printable(shortened(message, maxMessageLength)), maxMessageLength),
  }
}

/** Text from outside: what would begin a line, move a terminal's cursor or turn the direction of text is written as an escape. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (found) => `\\u{${(found.codePointAt(0) as number).toString(16)}}`,
  )
}

/** Not between the halves of a surrogate pair. */
export function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** An error as the rejection of `certificate`. @throws the error where it is none of ours, or a spent budget */
export function rejectionOf(error: unknown, certificate: Certificate | undefined): Rejection {
  if (!isPkiError(error) || error.code === 'ERR_PATH_BUDGET') throw error
  return reject(error.code, 'RFC 5280 §4', error.message, certificate)
}

/** As errors have it. */
const maxMessageLength = 1024
