// The contract of whatever proves that a certificate is in a transparency log of its CA.

import type { Certificate } from '../x509/index.ts'

/** Verifies receipts; `createReceiptChecker` of `spiffe-pki/audit` makes one. @inline */
export interface ReceiptChecker {
  /**
   * Returns `true` where `receipt` proves that the issuance of `leaf` is in a log that is known; nothing else
   * does. `receipt` is what the peer sent, or undefined.
   *
   * @throws why the receipt proves nothing
   */
  verify(leaf: Certificate, receipt: string | undefined): boolean
}
