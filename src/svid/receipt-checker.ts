// The contract of checkers of receipts, which prove that a certificate is in a transparency log of its CA.

import type { Certificate } from '../x509/index.ts'

/** Verifies receipts; `createReceiptChecker` of `spiffe-pki/audit` makes one. @inline */
export interface ReceiptChecker {
  /**
   * Returns `true` if `receipt` proves that the issuance of `leaf` is in an accepted log; every other result
   * refuses. `receipt` is the text that the peer sent, or undefined.
   *
   * @throws the reason why the receipt is not accepted
   */
  verify(leaf: Certificate, receipt: string | undefined): boolean
}
