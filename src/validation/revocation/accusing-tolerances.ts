// The leniencies with which a list or response is read that may accuse, but not clear.

import type { Tolerance } from '../../x509/internal.ts'

/**
 * Tolerances for revocations only. Each concerns the form of the signed data and not its meaning: a defect in
 * the encoding must not hide a revocation by the issuer.
 */
export const accusingTolerances: readonly Tolerance[] = Object.freeze<Tolerance[]>([
  'explicit-defaults',
  'empty-extensions',
  'invalid-string-octets',
])
