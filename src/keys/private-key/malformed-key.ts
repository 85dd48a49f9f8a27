// ERR_KEY_MALFORMED of private keys.

import { PkiError, isPkiError } from '../../errors/index.ts'

/** ERR_KEY_MALFORMED; `what` names the defect, without any octet of the key. */
export function malformedKey(what: string, cause?: unknown): PkiError {
  return new PkiError('ERR_KEY_MALFORMED', `the private key is malformed: ${what}`, { cause })
}

/** Runs a DER reader; a DER error becomes a malformed key. @throws ERR_KEY_MALFORMED in place of ERR_DER */
export function readingKey<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!isPkiError(cause, 'ERR_DER')) throw cause
    throw malformedKey(cause.message, cause)
  }
}
