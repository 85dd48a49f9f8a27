// The decoders of certificate extensions, by their type (RFC 5280 section 4.2).

import {
  checkPolicyQualifiers,
  parseBasicConstraints as decodeBasicConstraints,
  parseCertificatePolicies,
  parseInhibitAnyPolicy,
  parseNameConstraints,
  parsePolicyConstraints,
  parsePolicyMappings,
} from '../extensions/constraints.ts'
import type { BasicConstraints } from '../extensions/constraints.ts'
import { parseDistributionPoints } from '../extensions/distribution-points.ts'
import type { DistributionPoint } from '../extensions/distribution-points.ts'
import type { DerInput } from '../../der/index.ts'
import { extensionOids as oids } from '../extensions/extension.ts'
import {
  KeyUsage,
  parseAuthorityKeyIdentifier,
  parseExtendedKeyUsage as decodeExtendedKeyUsage,
  parseSubjectKeyIdentifier,
} from '../extensions/key-extensions.ts'
import { rememberingParser } from '../extensions/known-values.ts'
import { parseInfoAccess } from '../extensions/revocation-extensions.ts'
import type { AccessDescription } from '../extensions/revocation-extensions.ts'
import { parseAltName } from '../names/general-name-reader.ts'
import type { GeneralName, GeneralNameUse } from '../names/general-name.ts'
import { noTolerances } from '../tolerances.ts'
import type { Tolerance } from '../tolerances.ts'

/** The decoder of a certificate extension; undefined for an unknown type. */
export function extensionDecoder(oid: string): ((der: Uint8Array) => unknown) | undefined {
  const parse = parsers[oid]
  return parse === undefined ? undefined : (der) => parse(der, noTolerances)
}

export const parseBasicConstraints: Parser<BasicConstraints> = rememberingParser(decodeBasicConstraints)
export const parseKeyUsage: Parser<KeyUsage> = rememberingParser((value) =>
  Object.freeze(KeyUsage.parse(value)),
)
export const parseExtendedKeyUsage: Parser<readonly string[]> = rememberingParser(decodeExtendedKeyUsage)
export const parseSubjectAltName: Parser<readonly GeneralName[]> = (der, tolerances) =>
  parseAltName(der, 'subjectAltName', tolerances)
export const parseIssuerAltName: Parser<readonly GeneralName[]> = (der, tolerances) =>
  parseAltName(der, 'issuerAltName', tolerances, 'location')
export const parseCrlDistributionPoints: Parser<readonly DistributionPoint[]> = (der, tolerances) =>
  parseDistributionPoints(der, 'cRLDistributionPoints', tolerances)
export const parseFreshestCrl: Parser<readonly DistributionPoint[]> = (der, tolerances) =>
  parseDistributionPoints(der, 'freshestCRL', tolerances)
export const parseAuthorityInfoAccess: Parser<readonly AccessDescription[]> = (der, tolerances) =>
  parseInfoAccess(der, 'authorityInfoAccess', tolerances)
export const parseSubjectInfoAccess: Parser<readonly AccessDescription[]> = (der, tolerances) =>
  parseInfoAccess(der, 'subjectInfoAccess', tolerances)

/** The decoders of extensions, by type. */
export const parsers: Readonly<Record<string, Parser<unknown> | undefined>> = {
  [oids.basicConstraints]: parseBasicConstraints,
  [oids.keyUsage]: parseKeyUsage,
  [oids.extendedKeyUsage]: parseExtendedKeyUsage,
  [oids.subjectAltName]: parseSubjectAltName,
  [oids.issuerAltName]: parseIssuerAltName,
  [oids.subjectKeyIdentifier]: parseSubjectKeyIdentifier,
  [oids.authorityKeyIdentifier]: parseAuthorityKeyIdentifier,
  [oids.nameConstraints]: parseNameConstraints,
  [oids.certificatePolicies]: parseCertificatePolicies,
  [oids.policyMappings]: parsePolicyMappings,
  [oids.policyConstraints]: parsePolicyConstraints,
  [oids.inhibitAnyPolicy]: parseInhibitAnyPolicy,
  [oids.crlDistributionPoints]: parseCrlDistributionPoints,
  [oids.freshestCrl]: parseFreshestCrl,
  [oids.authorityInfoAccess]: parseAuthorityInfoAccess,
  [oids.subjectInfoAccess]: parseSubjectInfoAccess,
}

/** The names that messages give to extensions, by type: those of RFC 5280 appendix A. */
export const extensionNames: Readonly<Record<string, string | undefined>> = {
  ...Object.fromEntries(Object.entries(oids).map(([name, oid]) => [oid, name])),
  [oids.crlDistributionPoints]: 'cRLDistributionPoints',
  [oids.freshestCrl]: 'freshestCRL',
  [oids.extendedKeyUsage]: 'extKeyUsage',
}

/** Decodes an extension that gives locations; `what` names it in messages. */
export type LocationParser = (
  value: DerInput,
  what: string,
  tolerances: readonly Tolerance[],
  use: GeneralNameUse,
) => unknown

/** The extensions that RFC 5280 section 6 does not use. */
export const locations: Readonly<Record<string, readonly [name: string, parse: LocationParser] | undefined>> =
  {
    [oids.issuerAltName]: ['issuerAltName', parseAltName],
    [oids.crlDistributionPoints]: ['cRLDistributionPoints', parseDistributionPoints],
    [oids.freshestCrl]: ['freshestCRL', parseDistributionPoints],
    [oids.authorityInfoAccess]: ['authorityInfoAccess', parseInfoAccess],
    [oids.subjectInfoAccess]: ['subjectInfoAccess', parseInfoAccess],
  }

/** The extensions of which section 6 reads a part; the rest is checked with the locations. */
export const readInPart: typeof locations = {
  [oids.certificatePolicies]: [
    'certificatePolicies',
    (value) => {
      checkPolicyQualifiers(value)
    },
  ],
}

/** Decodes the value of one type of extension. */
export type Parser<T> = (value: DerInput, tolerances: readonly Tolerance[]) => T
