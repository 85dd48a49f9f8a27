// Profiles: the rules for a path in addition to RFC 5280 section 6, as plain data, so that a caller can
// define another profile.

import { PkiError } from '../errors/index.ts'
import { isCount } from '../internal/numbers.ts'
import type { SignatureAlgorithm } from '../x509/index.ts'
import type { PublicKeyAlgorithm, Tolerance } from '../x509/internal.ts'

/** The built-in profiles. @inline */
export type ProfileName = 'rfc5280' | 'webpki' | 'spiffe'

/**
 * The rules for the form of certificates.
 *
 * - `path`: RFC 5280 section 6 only
 * - `rfc5280`: also the rules of section 4 for CAs: identifiers present, extensions critical or not as
 * stated, names well formed
 * - `webpki`: also the CA/Browser Forum's Baseline Requirements for TLS that a relying party can check
 *
 * @inline
 */
type CertificateRules = 'path' | 'rfc5280' | 'webpki'

/** The rules for a path. */
export interface ValidationProfile {
  /** The name of the profile in messages. */
  readonly name: string
  /** The rules for the form of certificates in addition to section 6. */
  readonly certificateRules: CertificateRules
  /**
   * Whether an extended key usage of a CA restricts the purposes of all certificates below it, as in the web
   * PKI.
   */
  readonly nestedExtendedKeyUsage: boolean
  /** Whether anyExtendedKeyUsage satisfies the requested purpose. */
  readonly acceptAnyExtendedKeyUsage: boolean
  /** Whether a leaf without extended key usage is refused. */
  readonly requireExtendedKeyUsage: boolean
  /** The allowed keys of certificates in the path. */
  readonly keyAlgorithms: readonly PublicKeyAlgorithm[]
  /** The minimum and maximum size of an RSA modulus in bits. */
  readonly minRsaBits: number
  /** The largest accepted RSA modulus in bits: larger ones cost too much. */
  readonly maxRsaBits: number
  /** The allowed signature algorithms; a path with another one is refused with `ERR_PATH_ALGORITHM`. */
  readonly signatureAlgorithms: readonly SignatureAlgorithm[]
}

const webKeys: readonly PublicKeyAlgorithm[] = ['P-256', 'P-384', 'P-521', 'RSA']
const webSignatures: readonly SignatureAlgorithm[] = [
  'ecdsa-with-SHA256',
  'ecdsa-with-SHA384',
  'ecdsa-with-SHA512',
  'sha256WithRSAEncryption',
  'sha384WithRSAEncryption',
  'sha512WithRSAEncryption',
  'rsassa-pss-SHA256',
  'rsassa-pss-SHA384',
  'rsassa-pss-SHA512',
]

/** The settings of a validator for the form of certificates. */
export interface FormRules {
  readonly profile: ValidationProfile
  readonly knownCriticalExtensions: readonly string[]
  readonly tolerances: readonly Tolerance[]
}

const rfc5280: ValidationProfile = frozen({
  name: 'rfc5280',
  certificateRules: 'rfc5280',
  nestedExtendedKeyUsage: true,
  acceptAnyExtendedKeyUsage: true,
  requireExtendedKeyUsage: false,
  keyAlgorithms: [...webKeys, 'RSA-PSS', 'Ed25519'],
  minRsaBits: 2048,
  maxRsaBits: 8192,
  signatureAlgorithms: [...webSignatures, 'Ed25519'],
})

/** The built-in profiles; spread one to create another. */
export const validationProfiles: Readonly<Record<ProfileName, ValidationProfile>> = Object.freeze({
  rfc5280,
  webpki: frozen({
    ...rfc5280,
    name: 'webpki',
    certificateRules: 'webpki',
    acceptAnyExtendedKeyUsage: false,
    requireExtendedKeyUsage: true,
    keyAlgorithms: webKeys,
    signatureAlgorithms: webSignatures,
  }),
  // X509-SVID has its own rules for leaf and signing certificates; section 4 has rules for CAs made by other
  // software.
  spiffe: frozen({ ...rfc5280, name: 'spiffe', certificateRules: 'path' }),
})

/** The profile with this name, or the given profile. @throws ERR_INVALID_ARGUMENT */
export function profileOf(profile: ProfileName | ValidationProfile | undefined): ValidationProfile {
  if (profile === undefined) return rfc5280
  if (typeof profile !== 'string') return complete(profile)
  const known = Object.hasOwn(validationProfiles, profile) ? validationProfiles[profile] : undefined
  if (known === undefined)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `unknown validation profile ${JSON.stringify(profile)}; expected one of ` +
        Object.keys(validationProfiles).join(', '),
    )
  return known
}

/** A copy. A missing number would compare false with everything, and so disable its limit. */
function complete(profile: ValidationProfile): ValidationProfile {
  for (const [name, example] of Object.entries(rfc5280)) {
    const given: unknown = profile[name as keyof ValidationProfile]
    const wrong =
      typeof given !== typeof example ||
      Array.isArray(given) !== Array.isArray(example) ||
      (typeof given === 'number' && !isCount(given, 0, Infinity))
    // A misspelt name would select the most lenient rules.
    if (wrong || (name === 'certificateRules' && !(ruleNames as readonly unknown[]).includes(given)))
      throw new PkiError('ERR_INVALID_ARGUMENT', `the validation profile has no valid ${name}`)
  }
  for (const name in profile) {
    if (!Object.hasOwn(rfc5280, name))
      throw new PkiError('ERR_INVALID_ARGUMENT', `the validation profile has an unknown member ${name}`)
  }
  return frozen({ ...profile })
}

function frozen(profile: ValidationProfile): ValidationProfile {
  return Object.freeze({
    ...profile,
    keyAlgorithms: Object.freeze([...profile.keyAlgorithms]),
    signatureAlgorithms: Object.freeze([...profile.signatureAlgorithms]),
  })
}

const ruleNames: readonly CertificateRules[] = ['path', 'rfc5280', 'webpki']
