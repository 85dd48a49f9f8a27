// The profile of leaf certificates: a closed set of fields, none of which comes from a request.

import { PkiError } from '../../errors/index.ts'
import { checkMeasures, isCount, requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import { keyPurposeOids } from '../../x509/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { KeyUsageName, PublicKeyAlgorithm } from '../../x509/internal.ts'

/** The profile of leaf certificates. */
export interface CertificateProfile {
  /** A name for messages and logs. */
  readonly name: string
  /** Validity if the request does not give one, in seconds. */
  readonly defaultTtlSeconds: number
  /** A longer validity is refused with ERR_TTL, not shortened. */
  readonly maxTtlSeconds: number
  /**
   * The maximum is also limited to this fraction of the CA certificate's own validity: 6 means a sixth. The
   * default follows the maximum.
   */
  readonly issuerDivisor?: number | undefined
  /** How far in the past notBefore is, for relying parties with a slow clock. */
  readonly backdateSeconds: number
  /** Purposes as object identifiers; an empty list omits the extension. */
  readonly extendedKeyUsage: readonly string[]
  /** Maximum number of names in a certificate, including its URI. */
  readonly maxNames: number
  /**
   * `absent`: certificates with only DNS names and IP addresses, for a server that clients identify by its
   * host name, such as a database. SPIFFE peers do not accept them. Default `required`: exactly one SPIFFE
   * ID.
   */
  readonly spiffeId?: 'required' | 'absent'
}

/** X.509-SVIDs of workloads: 24 h, at most 90 d, backdated by 2 min, for servers and clients. Frozen. */
export const workloadProfile: CertificateProfile = Object.freeze({
  name: 'workload',
  defaultTtlSeconds: 24 * 3600,
  maxTtlSeconds: 90 * 24 * 3600,
  backdateSeconds: 120,
  extendedKeyUsage: Object.freeze([keyPurposeOids.serverAuth, keyPurposeOids.clientAuth]),
  maxNames: 100,
})

/**
 * `workloadProfile` with SPIRE's validity of one hour and its limit of a sixth of the CA's validity, so that
 * the CA outlives its leaves. Frozen.
 */
export const spireProfile: CertificateProfile = Object.freeze({
  ...workloadProfile,
  name: 'spire',
  defaultTtlSeconds: 3600,
  issuerDivisor: 6,
  backdateSeconds: 10,
})

/**
 * A frozen, checked copy of a profile.
 * @throws ERR_INVALID_ARGUMENT for an unknown or missing member, or a number out of range
 */
export function readProfile(profile: CertificateProfile): CertificateProfile {
  const read = readOptions('profile', profile, {
    name: 'required',
    defaultTtlSeconds: 'required',
    maxTtlSeconds: 'required',
    issuerDivisor: 'optional',
    backdateSeconds: 'required',
    extendedKeyUsage: 'required',
    maxNames: 'required',
    spiffeId: 'guard',
  })
  const { name, defaultTtlSeconds, maxTtlSeconds, issuerDivisor } = read
  requireCount(`maxTtlSeconds of profile ${name}`, maxTtlSeconds, 1)
  // The default must be within the maximum for requests.
  requireCount(`defaultTtlSeconds of profile ${name}`, defaultTtlSeconds, 1, maxTtlSeconds)
  requireCount(`backdateSeconds of profile ${name}`, read.backdateSeconds, 0)
  requireCount(`maxNames of profile ${name}`, read.maxNames, 1, Infinity)
  checkMeasures({ [`issuerDivisor of profile ${name}`]: issuerDivisor }, 1)
  if (!spiffeIdRules.includes(read.spiffeId))
    throw new PkiError('ERR_INVALID_ARGUMENT', `spiffeId of profile ${name} must be required or absent`)
  if (!Array.isArray(read.extendedKeyUsage))
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `extendedKeyUsage of profile ${name} must be an array of object identifiers`,
    )
  return Object.freeze({
    ...read,
    extendedKeyUsage: Object.freeze([...(read.extendedKeyUsage as readonly string[])]),
  })
}

/** Other values are refused, so that a typo cannot omit or add the SPIFFE ID. */
const spiffeIdRules: readonly unknown[] = [undefined, 'required', 'absent']

/** The profile with the limits from one CA certificate. */
export function profileBelow(issuer: Certificate, profile: CertificateProfile): CertificateProfile {
  const { maxTtlSeconds, defaultTtlSeconds, issuerDivisor } = profile
  if (issuerDivisor === undefined) return profile
  const part = Math.floor((issuer.notAfterMs - issuer.notBeforeMs) / 1000 / issuerDivisor)
  const maximum = Math.max(1, Math.min(maxTtlSeconds, part))
  return Object.freeze({
    ...profile,
    maxTtlSeconds: maximum,
    defaultTtlSeconds: Math.min(defaultTtlSeconds, maximum),
  })
}

/** L17: keyEncipherment only for RSA keys. */
export function leafKeyUsage(algorithm: PublicKeyAlgorithm | undefined): readonly KeyUsageName[] {
  return algorithm === 'RSA' ? ['digitalSignature', 'keyEncipherment'] : ['digitalSignature']
}

/**
 * Seconds of validity for a request.
 *
 * @param requested Undefined uses the default.
 * @throws ERR_TTL above the maximum, or for another value than a positive integer
 */
export function validitySeconds(profile: CertificateProfile, requested: number | undefined): number {
  if (requested === undefined) return profile.defaultTtlSeconds
  if (!isCount(requested, 1))
    throw new PkiError('ERR_TTL', `ttlSeconds is ${requested}; expected a positive integer`)
  if (requested > profile.maxTtlSeconds)
    throw new PkiError(
      'ERR_TTL',
      `a validity of ${requested} s was requested; the maximum of profile ${profile.name} is ` +
        `${profile.maxTtlSeconds} s`,
    )
  return requested
}
