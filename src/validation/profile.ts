// Profiles: which rules beside those of RFC 5280 section 6 a path is held to. Data, so that a caller can write another.

import { PkiError } from '../errors/index.ts'
import { isCount } from '../internal/numbers.ts'
import type { PublicKeyAlgorithm, SignatureAlgorithm } from '../x509/index.ts'

/** The built-in profiles. */
export type ProfileName = 'rfc5280' | 'webpki' | 'spiffe'

/**
 * How the certificates themselves must be made.
 *
 * - `path`: nothing beyond what RFC 5280 section 6 asks of a validator
 * - `rfc5280`: also what section 4 demands of CAs: identifiers present, extensions critical or not as stated, names well formed
 * - `webpki`: also the CA/Browser Forum's Baseline Requirements for TLS, as far as a relying party can see them
 */
export type CertificateRules = 'path' | 'rfc5280' | 'webpki'

/** What a path is held to. */
export interface ValidationProfile {
  /** For messages. */
  readonly name: string
  /** Which rules on the form of certificates hold beside section 6. */
  readonly certificateRules: CertificateRules
  /** Whether a purpose that a CA's extended key usage leaves out is closed to everything below it, as the web PKI has it. */
  readonly nestedExtendedKeyUsage: boolean
  /** Whether anyExtendedKeyUsage stands for the wanted purpose. */
  readonly acceptAnyExtendedKeyUsage: boolean
  /** Whether a leaf without extended key usage is refused. */
  readonly requireExtendedKeyUsage: boolean
  /** Keys that may stand in a certificate of the path. */
  readonly keyAlgorithms: readonly PublicKeyAlgorithm[]
  /** Fewest and most bits of an RSA modulus. */
  readonly minimumRsaBits: number
  /** Largest RSA modulus that is taken, in bits: larger ones cost too much. */
  readonly maximumRsaBits: number
  /** Those that are taken; a path with another one is `ERR_PATH_ALGORITHM`. */
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

const rfc5280: ValidationProfile = {
  name: 'rfc5280',
  certificateRules: 'rfc5280',
  nestedExtendedKeyUsage: true,
  acceptAnyExtendedKeyUsage: true,
  requireExtendedKeyUsage: false,
  keyAlgorithms: [...webKeys, 'RSA-PSS', 'Ed25519'],
  minimumRsaBits: 2048,
  maximumRsaBits: 8192,
  signatureAlgorithms: [...webSignatures, 'Ed25519'],
}

/** The built-in profiles; spread one to make another. */
export const validationProfiles: Readonly<Record<ProfileName, ValidationProfile>> = {
  rfc5280,
  webpki: {
    ...rfc5280,
    name: 'webpki',
    certificateRules: 'webpki',
    acceptAnyExtendedKeyUsage: false,
    requireExtendedKeyUsage: true,
    keyAlgorithms: webKeys,
    signatureAlgorithms: webSignatures,
  },
  // X509-SVID lays its own rules on the leaf; those of its CAs are few, and section 4 is addressed to CAs that are not ours.
  spiffe: { ...rfc5280, name: 'spiffe', certificateRules: 'path' },
}

/** The profile of a name, or the one given. @throws ERR_INVALID_ARGUMENT */
export function profileOf(profile: ProfileName | ValidationProfile | undefined): ValidationProfile {
  if (profile === undefined) return rfc5280
  if (typeof profile !== 'string') return complete(profile)
  const known = Object.hasOwn(validationProfiles, profile) ? validationProfiles[profile] : undefined
  if (known === undefined)
    throw new PkiError('ERR_INVALID_ARGUMENT', `${JSON.stringify(profile)} is no validation profile`)
  return known
}

/** A member that is missing would compare false with everything, and so allow everything. */
function complete(profile: ValidationProfile): ValidationProfile {
  for (const [name, example] of Object.entries(rfc5280)) {
    const given: unknown = profile[name as keyof ValidationProfile]
    const wrong =
      typeof given !== typeof example ||
      Array.isArray(given) !== Array.isArray(example) ||
      (typeof given === 'number' && !isCount(given, 0, Infinity))
    // Rules that are misspelt would be those that are held to least.
    if (wrong || (name === 'certificateRules' && !(ruleNames as readonly unknown[]).includes(given)))
      throw new PkiError('ERR_INVALID_ARGUMENT', `the validation profile has no valid ${name}`)
  }
  return profile
}

const ruleNames: readonly CertificateRules[] = ['path', 'rfc5280', 'webpki']
