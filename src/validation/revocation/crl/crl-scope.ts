// Determines which certificates a CRL covers: compares its issuing distribution point with a certificate's
// distribution point (RFC 5280 §6.3.3 (b)).

import { isPkiError } from '../../../errors/index.ts'
import { sequence } from '../../../der/index.ts'
import { toHex } from '../../../internal/bytes.ts'
import { DistinguishedName, extensionOids } from '../../../x509/index.ts'
import { encodeGeneralName } from '../../../x509/internal.ts'
import type { Certificate, Crl, GeneralName } from '../../../x509/index.ts'
import type {
  DistributionPoint,
  DistributionPointName,
  IssuingDistributionPoint,
} from '../../../x509/internal.ts'

/** The names in the scope of a list, computed once. */
export type CoveredNames = WeakMap<Crl, ReadonlySet<string>>

/** Why a list does not cover a certificate at a distribution point; undefined if it does. */
export function scopeFault(
  list: Crl,
  certificate: Certificate,
  point: DistributionPoint,
  namesOf: () => readonly string[],
  covered: CoveredNames,
): string | undefined {
  const scope = list.issuingDistributionPoint
  if (point.crlIssuer === undefined) {
    if (!list.issuer.equals(certificate.issuer)) return 'its issuer is not the issuer of the certificate'
  } else {
    // §6.3.3 (b)(1): "verify that the issuer field in the complete CRL matches cRLIssuer in the DP and that
    // the complete CRL contains
    // an issuing distribution point extension with the indirectCRL boolean asserted".
    if (!directoryNames(point.crlIssuer).some((name) => name.equals(list.issuer)))
      return 'its issuer is not the cRLIssuer of the distribution point'
    if (scope?.indirectCrl !== true && !list.issuer.equals(certificate.issuer))
      return 'it is not an indirect list'
  }
  return scope === undefined
    ? undefined
    : (kindFault(scope, certificate) ?? nameFault(scope, list, namesOf, covered))
}

/**
 * The implicit point of a certificate without the extension: its issuer's name, all reasons (§6.3.3, last
 * paragraph).
 */
export function implicitPoint(certificate: Certificate): DistributionPoint {
  return {
    name: { fullName: [{ type: 'directoryName', name: certificate.issuer }] },
    reasons: undefined,
    crlIssuer: undefined,
  }
}

/** The directory names among general names. */
export function directoryNames(names: readonly GeneralName[]): readonly DistinguishedName[] {
  return names.flatMap((name) => (name.type === 'directoryName' ? [name.name] : []))
}

/** §6.3.3 (b)(2)(ii) to (iv). */
function kindFault(scope: IssuingDistributionPoint, certificate: Certificate): string | undefined {
  const isCa = certificate.basicConstraints?.ca === true
  if (scope.onlyContainsUserCerts && isCa) return 'it covers end entities only'
  if (scope.onlyContainsCaCerts && !isCa) return 'it covers CAs only'
  return scope.onlyContainsAttributeCerts ? 'it covers attribute certificates only' : undefined
}

/**
 * Whether a list may cover the certificate if another extension of the list is malformed: a list of its
 * issuer, or an indirect one of a CRL issuer that the certificate names. A list with a malformed scope, or
 * with two of them, may cover it too: an issuer uses a serial number once.
 */
export function mayBeAbout(list: Crl, certificate: Certificate): boolean {
  if (!list.issuer.equals(certificate.issuer)) {
    const named = explicitPoints(certificate).flatMap(({ crlIssuer = [] }) => directoryNames(crlIssuer))
    if (!mayBeIndirect(list) || !named.some((name) => name.equals(list.issuer))) return false
  }
  const scope = certainScope(list)
  return scope === undefined || kindFault(scope, certificate) === undefined
}

/** Whether entries may be of other issuers than that of the list (§5.2.5). */
function mayBeIndirect(list: Crl): boolean {
  if (list.extension(extensionOids.issuingDistributionPoint) === undefined) return !list.hasEveryExtension
  return certainScope(list)?.indirectCrl ?? true
}

/**
 * The scope of a list; undefined if it has none, two or an unreadable one, or if an unreadable extension
 * could be one.
 */
function certainScope(list: Crl): IssuingDistributionPoint | undefined {
  const { issuingDistributionPoint } = extensionOids
  if (!list.hasEveryExtension) return undefined
  if (list.extensions.filter(({ oid }) => oid === issuingDistributionPoint).length !== 1) return undefined
  try {
    return list.issuingDistributionPoint
  } catch (error) {
    if (isPkiError(error)) return undefined
    throw error
  }
}

/** §6.3.3 (b)(2)(i): a common name is required; a point without a name has its issuer's names. */
function nameFault(
  scope: IssuingDistributionPoint,
  list: Crl,
  namesOf: () => readonly string[],
  covered: CoveredNames,
): string | undefined {
  if (scope.name === undefined) return undefined
  let names = covered.get(list)
  if (names === undefined) covered.set(list, (names = new Set(pointKeys(scope.name, list.issuer))))
  return namesOf().some((key) => names.has(key)) ? undefined : 'it has another distribution point'
}

/** The names of a point, or its issuer if it has no name. */
export function namesOfPoint(point: DistributionPoint, certificate: Certificate): readonly string[] {
  const base = directoryNames(point.crlIssuer ?? [])[0] ?? certificate.issuer
  return point.name === undefined ? (point.crlIssuer ?? []).map(nameKey) : pointKeys(point.name, base)
}

export function countOfNames({ name, crlIssuer }: DistributionPoint): number {
  return (crlIssuer?.length ?? 0) + (name !== undefined && 'fullName' in name ? name.fullName.length : 1)
}

/** Equal keys mean equal names. */
function pointKeys(name: DistributionPointName, base: DistinguishedName): readonly string[] {
  if ('fullName' in name) return name.fullName.map(nameKey)
  const relative = DistinguishedName.fromDer(sequence(name.nameRelativeToCrlIssuer)).comparisonKey
  return [`directoryName ${base.isEmpty ? relative : `${base.comparisonKey}\u0001${relative}`}`]
}

/**
 * The texts are compared as found: AD CS writes blanks and backslashes into locations, which no builder
 * encodes.
 */
function nameKey(name: GeneralName): string {
  switch (name.type) {
    case 'directoryName':
      return `directoryName ${name.name.comparisonKey}`
    case 'uri':
    case 'dns':
    case 'email':
      return `${name.type} ${name.value}`
    default:
      return toHex(encodeGeneralName(name))
  }
}

/**
 * The distribution points of a certificate. Malformed points are ignored; the implicit point is used in any
 * case.
 */
export function explicitPoints(certificate: Certificate): readonly DistributionPoint[] {
  try {
    return certificate.crlDistributionPoints ?? []
  } catch (error) {
    if (isPkiError(error)) return []
    throw error
  }
}
