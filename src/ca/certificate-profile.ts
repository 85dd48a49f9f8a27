// What a kind of certificate looks like: the closed template of a leaf. Nothing in it comes from a request.

import { PkiError } from '../errors/index.ts'
import { keyPurposeOids } from '../x509/index.ts'
import type { KeyUsageName, PublicKeyAlgorithm } from '../x509/index.ts'

/** The template of leaf certificates. */
export interface CertificateProfile {
  readonly name: string
  /** Validity when none is asked for, in seconds. */
  readonly defaultTtlSeconds: number
  /** More than this is refused with ERR_TTL, not shortened. */
  readonly maximumTtlSeconds: number
  /** notBefore lies this far in the past, for clocks that are behind. */
  readonly backdateSeconds: number
  /** Purposes as object identifiers; empty leaves the extension out. */
  readonly extendedKeyUsage: readonly string[]
  /** Names a certificate may have, URI included. */
  readonly maximumNames: number
}

/** X.509-SVIDs of workloads: 24 h, at most 90 d, backdated by 2 min, for servers and clients. */
export const workloadProfile: CertificateProfile = {
  name: 'workload',
  defaultTtlSeconds: 24 * 3600,
  maximumTtlSeconds: 90 * 24 * 3600,
  backdateSeconds: 120,
  extendedKeyUsage: [keyPurposeOids.serverAuth, keyPurposeOids.clientAuth],
  maximumNames: 100,
}

/** As `workloadProfile`, with the hour that SPIRE gives. */
export const spireProfile: CertificateProfile = { ...workloadProfile, name: 'spire', defaultTtlSeconds: 3600, maximumTtlSeconds: 24 * 3600, backdateSeconds: 10 }

/** L17: keyEncipherment is RSA's alone. */
export function leafKeyUsage(algorithm: PublicKeyAlgorithm | undefined): readonly KeyUsageName[] {
  return algorithm === 'RSA' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']
}

/**
 * Seconds of validity for a request.
 *
 * @param requested Undefined takes the default.
 * @throws ERR_TTL for more than the maximum, and for what is no positive whole number
 */
export function validitySeconds(profile: CertificateProfile, requested: number | undefined): number {
  if (requested === undefined) return profile.defaultTtlSeconds
  if (!Number.isSafeInteger(requested) || requested <= 0) throw new PkiError('ERR_TTL', `a validity of ${requested} s; a positive whole number is wanted`)
  if (requested > profile.maximumTtlSeconds) throw new PkiError('ERR_TTL', `a validity of ${requested} s; at most ${profile.maximumTtlSeconds} s are given`)
  return requested
}
