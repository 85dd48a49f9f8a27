// The error class of the package: switch on `code`, read `message`, log `cause`.

import type { PkiErrorCode } from './error-codes.ts'

/** The cause of an error. @inline */
export interface PkiErrorOptions {
  /** The underlying error; never sent to a peer. */
  readonly cause?: unknown
}

/** The longest message, in UTF-16 units, because messages quote text from outside (CVE-2025-61729). */
const maxMessageLength = 1024

/**
 * Every failure that input, a peer, a backend or misuse can cause.
 *
 * The message says what was found and what was expected. It never contains
 * private keys, PINs, tokens or passphrases.
 */
export class PkiError<Code extends PkiErrorCode = PkiErrorCode> extends Error {
  /** Stable, from the catalogue `errorCodes`. */
  readonly code: Code

  constructor(code: Code, message: string, options?: PkiErrorOptions) {
    const text: unknown = message
    super(
      // A hook that throws an error without a message must not replace it by a TypeError.
      typeof text !== 'string'
        ? `no message (${typeof text})`
        : text.length > maxMessageLength
          ? shorten(text)
          : text,
      options?.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
  }

  static {
    // On the prototype, so that an instance shows only its own fields.
    Object.defineProperty(this.prototype, 'name', { value: 'PkiError', configurable: true, writable: true })
  }
}

/**
 * Never cuts between the halves of a surrogate pair: encoders throw on a lone surrogate, and messages are
 * sent in headers.
 */
function shorten(message: string): string {
  const end = maxMessageLength - 1
  const last = message.charCodeAt(end - 1)
  return `${message.slice(0, last >= 0xd800 && last < 0xdc00 ? end - 1 : end)}…`
}

/**
 * Whether `value` is a `PkiError`, of this code if one is given. Works across copies of the package.
 *
 * @example
 * ```ts
 * try {
 *   Certificate.fromPem(pem)
 * } catch (error) {
 *   if (!isPkiError(error, 'ERR_PEM')) throw error
 *   console.warn(error.message)
 * }
 * ```
 */
export function isPkiError<Code extends PkiErrorCode = PkiErrorCode>(
  value: unknown,
  code?: Code,
): value is PkiError<Code> {
  if (!(value instanceof Error) || value.name !== 'PkiError') return false
  const found = (value as { code?: unknown }).code
  return typeof found === 'string' && (code === undefined || found === code)
}
