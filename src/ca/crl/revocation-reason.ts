// Why a certificate is revoked: the CRLReason values of RFC 5280 §5.3.1 that a complete list can have.

import { crlReasons } from '../../x509/internal.ts'
import type { CrlReason } from '../../x509/internal.ts'

/** The names of RFC 5280 §5.3.1, without `removeFromCRL`, which belongs to delta lists. */
export type RevocationReason = Exclude<CrlReason, 'removeFromCRL'>

/** Every `RevocationReason`. */
export const revocationReasons: ReadonlySet<string> = new Set(
  crlReasons.filter((reason) => reason !== undefined && reason !== 'removeFromCRL'),
)

/**
 * Whether a second revocation may replace the first: a hold can become final, and every reason can become
 * `keyCompromise`.
 */
export function replacesRevocation(first: RevocationReason, second: RevocationReason): boolean {
  return first !== second && (first === 'certificateHold' || second === 'keyCompromise')
}
