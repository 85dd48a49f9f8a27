// Which certificates a CRL is about: its issuing distribution point against a certificate's distribution point. RFC 5280 §6.3.3 (b).

import { sequence } from '../../der/index.ts'
import { toHex } from '../../internal/bytes.ts'
import { DistinguishedName, encodeGeneralName } from '../../x509/index.ts'
import type { Certificate, DistributionPoint, DistributionPointName, GeneralName, IssuingDistributionPoint, RevocationList } from '../../x509/index.ts'

/** Why a list is not about a certificate at a distribution point; undefined = it is. */
export function scopeFault(list: RevocationList, certificate: Certificate, point: DistributionPoint): string | undefined {
  const scope = list.issuingDistributionPoint
  if (point.crlIssuer === undefined) {
    if (!list.issuer.equals(certificate.issuer)) return 'its issuer is not the one of the certificate'
  } else {
    // §6.3.3 (b)(1): "verify that the issuer field in the complete CRL matches cRLIssuer in the DP and that the complete CRL contains
    // an issuing distribution point extension with the indirectCRL boolean asserted".
    if (!directoryNames(point.crlIssuer).some((name) => name.equals(list.issuer))) return 'its issuer is not the one that the distribution point names'
    if (scope?.indirectCrl !== true && !list.issuer.equals(certificate.issuer)) return 'it is not an indirect list'
  }
  return scope === undefined ? undefined : kindFault(scope, certificate) ?? nameFault(scope, list, certificate, point)
}

/** The point that a certificate without the extension has: its issuer's name, all reasons (§6.3.3, last paragraph). */
export function implicitPoint(certificate: Certificate): DistributionPoint {
  return { name: { fullName: [{ type: 'directoryName', name: certificate.issuer }] }, reasons: undefined, crlIssuer: undefined }
}

/** The directory names among general names. */
export function directoryNames(names: readonly GeneralName[]): readonly DistinguishedName[] {
  return names.flatMap((name) => (name.type === 'directoryName' ? [name.name] : []))
}

/** §6.3.3 (b)(2)(ii) to (iv). */
function kindFault(scope: IssuingDistributionPoint, certificate: Certificate): string | undefined {
  const isCa = certificate.basicConstraints?.ca === true
  if (scope.onlyContainsUserCerts && isCa) return 'it is about end entities alone'
  if (scope.onlyContainsCaCerts && !isCa) return 'it is about CAs alone'
  return scope.onlyContainsAttributeCerts ? 'it is about attribute certificates alone' : undefined
}

/** §6.3.3 (b)(2)(i): one name is in both; a point without a name stands for its issuer's names. */
function nameFault(scope: IssuingDistributionPoint, list: RevocationList, certificate: Certificate, point: DistributionPoint): string | undefined {
  if (scope.name === undefined) return undefined
  const base = directoryNames(point.crlIssuer ?? [])[0] ?? certificate.issuer
  const wanted = point.name === undefined ? (point.crlIssuer ?? []).map(nameKey) : pointKeys(point.name, base)
  const covered = new Set(pointKeys(scope.name, list.issuer))
  return wanted.some((key) => covered.has(key)) ? undefined : 'its distribution point is another'
}

/** Equal for equal names. */
function pointKeys(name: DistributionPointName, base: DistinguishedName): readonly string[] {
  if ('fullName' in name) return name.fullName.map(nameKey)
  const relative = DistinguishedName.fromDer(sequence(name.nameRelativeToCrlIssuer)).comparisonKey
  return [`directoryName ${base.isEmpty ? relative : `${base.comparisonKey}\u0001${relative}`}`]
}

function nameKey(name: GeneralName): string {
  return name.type === 'directoryName' ? `directoryName ${name.name.comparisonKey}` : toHex(encodeGeneralName(name))
}
