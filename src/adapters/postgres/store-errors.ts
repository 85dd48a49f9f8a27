// The errors of PostgreSQL and of its connections, as errors of this package.

import { PkiError, isPkiError } from '../../errors/index.ts'

/** The SQLSTATE of an error of the server; undefined for another error, such as that of a socket. */
function sqlStateOf(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { readonly code?: unknown; readonly severity?: unknown }
  // Errors of sockets have codes too, such as EPIPE: only the server sends a severity.
  return typeof code === 'string' && severity !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** Whether the server rolled back for a reason that may not occur again in a second attempt. */
export function isRetryable(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state === '40001' || state === '40P01'
}

/** Whether the server refused a value: classes 22 (data exception) and 23 (integrity constraint). */
export function isOfValue(error: unknown): boolean {
  return /^2[23]/.test(sqlStateOf(error) ?? '')
}

/**
 * Whether the connection can no longer be used: it is broken, the server ends it, or the server is now a
 * standby.
 */
export function isOfConnection(error: unknown): boolean {
  if (isPkiError(error)) return false
  const state = sqlStateOf(error)
  return state === undefined || /^(?:08|57P|25P03|25006|XX)/.test(state)
}

/** The error that callers get. `isUnknown`: the server may have committed before it was lost. */
export function storeError(error: unknown, isUnknown = false): PkiError {
  if (isPkiError(error)) return error
  const state = sqlStateOf(error)
  const text = error instanceof Error ? error.message : String(error)
  if (isOfValue(error))
    return new PkiError('ERR_INVALID_ARGUMENT', `the database refused a value: ${text} (SQLSTATE ${state})`, {
      cause: error,
    })
  const found = state === undefined ? text : `${text} (SQLSTATE ${state})`
  const outcome =
    isUnknown && isOfConnection(error) ? 'whether it was written is not known' : 'nothing was written'
  return new PkiError('ERR_STORE_UNAVAILABLE', `PostgreSQL: ${found}; ${outcome}`, { cause: error })
}
