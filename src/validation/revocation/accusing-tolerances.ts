// The leniencies with which a list or response is read that may accuse, but not clear.

import type { Tolerance } from '../../x509/internal.ts'

/**
 * Each changes the form of what was signed and not its meaning: the issuer said "revoked", and a defect that
 * its software wrote must not mute it.
 */
export const accusingTolerances: readonly Tolerance[] = Object.freeze<Tolerance[]>([
  'explicit-defaults',
  'empty-extensions',
  'invalid-string-octets',
])
