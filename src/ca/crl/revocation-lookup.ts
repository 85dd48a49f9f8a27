// Whether a CA has revoked a certificate of a verified path, from the
// records of the CA itself and not from a list.

import { requireMethods } from '../../internal/option-types.ts'
import type { Rejection, VerifiedPath } from '../../validation/index.ts'
import { keyIdentifierOf } from '../records/certificate-record.ts'
import type { CertificateStore } from '../records/certificate-store.ts'
import { recordedStatus } from '../records/recorded-status.ts'

/** Resolves to undefined if no certificate of the path is revoked. Rejects if the store rejects. */
export type RevocationLookup = (path: VerifiedPath, signal?: AbortSignal) => Promise<Rejection | undefined>

/**
 * Looks up every certificate of a path below the trust anchor. Certificates without a record, such as those
 * of another CA of the trust domain, count as not revoked: use the CRLs of their issuer to check them.
 *
 * @throws ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * const revocation = createRevocationLookup(storage.certificates)
 * ```
 */
export function createRevocationLookup(store: Pick<CertificateStore, 'find' | 'statusOf'>): RevocationLookup {
  requireMethods('createRevocationLookup', 'store', store, 'find')
  return async (path) => {
    for (const certificate of path.certificates) {
      const keyIdentifier = certificate.authorityKeyIdentifier?.keyIdentifier
      if (keyIdentifier === undefined) continue
      const { serialNumber } = certificate
      const status = await recordedStatus(store, { issuer: keyIdentifierOf(keyIdentifier), serialNumber })
      if (status?.revocation === undefined) continue
      const { reason, revokedAt } = status.revocation
      return {
        code: 'ERR_REVOKED',
        message: `certificate ${serialNumber} was revoked at ${revokedAt.toISOString()} (${reason})`,
        certificate,
        rule: 'RFC 5280 §6.1.3 (a)(3)',
      }
    }
    return undefined
  }
}
