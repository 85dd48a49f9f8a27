// The reason why a path, or one certificate of it, was refused.

import { isPkiError, PkiError } from '../../errors/index.ts'
import type { PkiErrorCode } from '../../errors/index.ts'
import { printable, shortened } from '../../internal/values/outside-text.ts'
import type { Certificate } from '../../x509/index.ts'

/** The first check that a certificate or a path failed. */
export interface Rejection {
  /** The error code: `ERR_PATH_EXPIRED`, `ERR_REVOKED`, … */
  readonly code: PkiErrorCode
  /** The certificate at fault; undefined if the fault concerns the path as a whole. */
  readonly certificate: Certificate | undefined
  /** The broken clause: `RFC 5280 §6.1.3 (a)(2)`, `X-12`. */
  readonly rule: string
  /** What was found and what was expected. */
  readonly message: string
}

/** Creates a rejection. The message is one line of limited length, also if it quotes text. */
export function reject(
  code: PkiErrorCode,
  rule: string,
  message: string,
  certificate?: Certificate,
): Rejection {
  return Object.freeze({
    code,
    certificate,
    rule,
    message: shortened(printable(shortened(message, maxMessageLength)), maxMessageLength),
  })
}

/** An error as the rejection of `certificate`. @throws errors other than PkiError, and an exhausted budget */
export function rejectionOf(error: unknown, certificate: Certificate | undefined): Rejection {
  if (!isPkiError(error) || error.code === 'ERR_PATH_BUDGET') throw error
  return reject(error.code, 'RFC 5280 §4', error.message, certificate)
}

/**
 * The result of a caller's hook, which must be undefined or a rejection, not a promise or a boolean.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function answerOf(hook: string, answer: unknown): Rejection | undefined {
  if (answer === undefined) return undefined
  const { code, rule, message } = Object(answer) as Partial<Rejection>
  if (typeof code === 'string' && typeof rule === 'string' && typeof message === 'string')
    return answer as Rejection
  throw new PkiError(
    'ERR_INVALID_ARGUMENT',
    `${hook} must return undefined or a rejection with code, rule and message, not a promise`,
  )
}

/** Limited like the messages of errors. */
const maxMessageLength = 1024
