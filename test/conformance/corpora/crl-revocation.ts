// The CRLs of a case as a checker: required throughout, or used where they can be.

import { isPkiError } from '../../../src/errors/index.ts'
import { createCrlChecker } from '../../../src/validation/index.ts'
import type { RevocationChecker } from '../../../src/validation/index.ts'
import { Certificate, Crl } from '../../../src/x509/index.ts'
import type { CertificateInput } from '../../../src/x509/index.ts'
import type { CrlInput } from '../../../src/x509/internal.ts'

/** Lists and issuers that cannot be read are passed over, as a relying party that finds them would. */
export function crlRevocation(
  lists: readonly CrlInput[],
  issuers: readonly CertificateInput[],
  need: 'required' | 'if-available' = 'required',
): RevocationChecker {
  return createCrlChecker({
    lists: lists.flatMap((input) => readable(() => Crl.from(input))),
    issuers: issuers.flatMap((input) => readable(() => Certificate.from(input))),
    mode: need === 'required' ? 'hard-fail' : 'soft-fail',
  })
}

/** What is read, or nothing for what cannot be. */
export function readable<T>(read: () => T): T[] {
  try {
    return [read()]
  } catch (error) {
    if (!isPkiError(error)) throw error
    return []
  }
}
