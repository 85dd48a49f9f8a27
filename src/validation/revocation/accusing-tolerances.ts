// The tolerances for lists and responses that can show "revoked", but not "good".

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
