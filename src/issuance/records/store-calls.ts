// Calls a store, and converts an ordinary error of a backend to a PkiError that names the store.

import type { CertificateStore } from '../../ca/index.ts'
import { PkiError, isPkiError } from '../../errors/index.ts'

/**
 * Calls the store and returns its answer.
 *
 * @throws the error of the store if it is a `PkiError`; otherwise ERR_STORE_UNAVAILABLE with the cause
 */
export async function ask<Answer>(
  store: CertificateStore,
  call: (store: CertificateStore) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await call(store)
  } catch (cause) {
    throw storeFailure(cause)
  }
}

/** The error for a failed call of a store. */
export function storeFailure(cause: unknown): PkiError {
  if (isPkiError(cause)) return cause
  const text = cause instanceof Error ? cause.message.slice(0, 200) : typeof cause
  return new PkiError('ERR_STORE_UNAVAILABLE', `the certificate store failed: ${text}`, { cause })
}
