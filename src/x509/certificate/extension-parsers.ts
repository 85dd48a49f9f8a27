// The decoders of certificate extensions, by their type (RFC 5280 section 4.2).

import {
  parseBasicConstraints,
  parseCertificatePolicies,
  parseInhibitAnyPolicy,
  parseNameConstraints,
  parsePolicyConstraints,
  parsePolicyMappings,
} from '../extensions/constraints.ts'
import { parseDistributionPoints } from '../extensions/distribution-points.ts'
import type { DistributionPoint } from '../extensions/distribution-points.ts'
import { extensionOids as oids } from '../extensions/extension.ts'
import {
  KeyUsage,
  parseAuthorityKeyIdentifier,
  parseExtendedKeyUsage,
  parseSubjectKeyIdentifier,
} from '../extensions/key-extensions.ts'
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

export const parseKeyUsage = (der: Uint8Array): KeyUsage => KeyUsage.parse(der)
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

/** Decodes an extension that gives locations; `what` names it in messages. */
export type LocationParser = (
  der: Uint8Array,
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

/** Decodes the value of one type of extension. */
export type Parser<T> = (der: Uint8Array, tolerances: readonly Tolerance[]) => T
