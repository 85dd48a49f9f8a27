// The protection of a backup as it was when the call was made.

import type { BackupProtection } from './backup-protection.ts'

/**
 * A copy, with its own octets: a caller that wipes its passphrase after the call must not change the one that
 * a backup is encrypted with. A value that is not an object is returned unchanged, because the reader refuses
 * it.
 */
export function ownProtection(given: BackupProtection): BackupProtection {
  if (typeof given !== 'object' || (given as unknown) === null) return given
  const { passphrase } = given as { readonly passphrase?: unknown }
  return passphrase instanceof Uint8Array
    ? { ...given, passphrase: new Uint8Array(passphrase) }
    : { ...given }
}
