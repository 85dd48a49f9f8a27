// Encoders, tables and readers of x509 for the layers above; not part of the public API.
export { AlgorithmIdentifier, signatureAlgorithms } from './algorithms/signature-algorithm.ts'
export type { HashName } from './algorithms/signature-algorithm.ts'
export { curveByName, curveByOid, curves } from './algorithms/curves.ts'
export { namedOid, supportedKeys } from './algorithms/foreign-algorithms.ts'
export type { CurveName } from './algorithms/curves.ts'
export { joinedEcdsaSignature } from './algorithms/ecdsa-signature.ts'
export { rdnComparisonKey } from './names/name-comparison.ts'
export { encodeAltName, encodeGeneralName } from './names/general-name-encoder.ts'
export { readGeneralName, readGeneralNames } from './names/general-name-reader.ts'
export { formatIpAddress, ipAddressOctets } from './names/ip-address.ts'
export type { GeneralNameUse } from './names/general-name.ts'
export type { NameAttribute } from './names/attribute-types.ts'
export type { EcdsaEncoding } from './algorithms/verify-signature.ts'
export { anyPolicy, encodeExtension } from './extensions/extension.ts'
export { generateSerialNumber, serialNumberBytes, serialNumberFromBytes } from './serial-number.ts'
export { BasicOcspResponse } from './ocsp/basic-ocsp-response.ts'
export { readAnswerToAccuse } from './ocsp/ocsp-response.ts'
export type { OcspSingleResponse } from './ocsp/ocsp-single-response.ts'
export {
  allReasons,
  encodeDistributionPoints,
  encodeIssuingDistributionPoint,
} from './extensions/distribution-points.ts'
export { encodeInfoAccess } from './extensions/revocation-extensions.ts'
export type {
  DistributionPoint,
  DistributionPointName,
  IssuingDistributionPoint,
  ReasonFlags,
} from './extensions/distribution-points.ts'
export {
  encodeBasicConstraints,
  encodeNameConstraints,
  parseNameConstraints,
} from './extensions/constraints.ts'
export type { GeneralSubtree, NameConstraints, PolicyMapping } from './extensions/constraints.ts'
export {
  KeyUsage,
  encodeAuthorityKeyIdentifier,
  encodeExtendedKeyUsage,
  encodeSubjectKeyIdentifier,
} from './extensions/key-extensions.ts'
export { acceptedBy, noTolerances, readTolerances } from './tolerances.ts'
export {
  displayedSubject,
  hasExplicitParameters,
  pemForPlatform,
} from './certificate/platform-certificate.ts'
export { certificateOfLayout } from './certificate/certificate.ts'
export { scannedExtensions } from './certificate/certificate-extensions.ts'
export { assembleSigned, encodeTbsCertificate, requireSigner } from './certificate/certificate-builder.ts'
export { isProvenRequest } from './request/certificate-request.ts'
export { encodeExtensionFields } from './extensions/extension-fields.ts'
export { RevokedEntryCursor } from './crl/entry-cursor.ts'
export { encodeCrlEntries, encodeCrlFrame, encodeTbsCrl } from './crl/crl-builder.ts'
export { assembleCrl, parseCrlInTurns } from './crl/crl-in-turns.ts'
export { scannedEntries } from './crl/crl-entries.ts'
export { verifySignatureAsync } from './algorithms/verify-signature.ts'
export { crlReasons } from './extensions/revocation-extensions.ts'
export type { CrlReason } from './extensions/revocation-extensions.ts'
export { describeSignatureAlgorithm, signatureFault, unverifiedReason } from './algorithms/signature-fault.ts'
export type { CertificateRequestInput } from './request/certificate-request.ts'
export type { PublicKeyInput } from './algorithms/public-key.ts'
export type { ExtensionFields } from './extensions/extension-fields.ts'
export type { RevokedCertificate } from './crl/crl-builder.ts'
export type { KeyUsageName } from './extensions/key-extensions.ts'
export type { PublicKeyAlgorithm } from './algorithms/signature-algorithm.ts'
export type { Tolerance } from './tolerances.ts'
export { crlThatAccuses } from './crl/crl.ts'
export type { CrlInput } from './crl/crl.ts'
export { formatGeneralName } from './names/general-name.ts'
export type { OcspResponseFields } from './ocsp/ocsp-response-builder.ts'
export type { OcspCertificateStatus } from './ocsp/ocsp-single-response.ts'
export type { Extension } from './extensions/extension.ts'
export type { SignOptions } from './algorithms/signer.ts'
