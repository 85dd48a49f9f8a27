/**
 * Certificates, certification requests and revocation lists: read as views over their bytes, built and signed with any `Signer`.
 *
 * @module spiffe-pki/x509
 */
export { signatureAlgorithms, AlgorithmIdentifier } from './algorithms/signature-algorithm.ts'
export type {
  HashName,
  PublicKeyAlgorithm,
  SignatureAlgorithm,
  SignatureAlgorithmInfo,
} from './algorithms/signature-algorithm.ts'
export { PublicKey } from './algorithms/public-key.ts'
export type { OneShotKey, PublicKeyInput } from './algorithms/public-key.ts'
export type { SubjectPublicKeyInfo } from './algorithms/subject-public-key-info.ts'
export type { KeyStrengthPolicy } from './algorithms/key-strength.ts'
export type { SignOptions, Signer } from './algorithms/signer.ts'
export { verifySignature } from './algorithms/verify-signature.ts'
export type { EcdsaEncoding } from './algorithms/verify-signature.ts'

export { DistinguishedName, rdnComparisonKey } from './names/distinguished-name.ts'
export type { AttributeTypeAndValue, RelativeDistinguishedName } from './names/distinguished-name.ts'
export type { NameAttribute } from './names/attribute-types.ts'
export {
  encodeGeneralName,
  formatGeneralName,
  generalName,
  readGeneralName,
  readGeneralNames,
  encodeAltName,
  formatIpAddress,
  parseIpAddress,
} from './names/general-name.ts'
export type { GeneralName, GeneralNameUse } from './names/general-name.ts'

export { anyPolicy, extensionOids, keyPurposeOids, encodeExtension } from './extensions/extension.ts'
export {
  generateSerialNumber,
  parseSerialNumber,
  serialNumberBytes,
  serialNumberFromBytes,
} from './serial-number.ts'
export type { SerialNumber } from './serial-number.ts'

export type {
  AccessDescription,
  DistributionPoint,
  DistributionPointName,
  IssuingDistributionPoint,
  ReasonFlags,
  CrlReason,
} from './extensions/revocation-extensions.ts'
export { OcspCertificateId, OcspRequest } from './ocsp-request.ts'
export type { CertificateIssuer, IdentifiedCertificate } from './ocsp-request.ts'
export { BasicOcspResponse, OcspResponse, buildOcspResponse } from './ocsp-response.ts'
export type {
  OcspCertificateStatus,
  OcspResponseFields,
  OcspResponseStatus,
  OcspSingleResponse,
} from './ocsp-response.ts'
export {
  encodeInfoAccess,
  allReasons,
  encodeDistributionPoints,
  encodeIssuingDistributionPoint,
} from './extensions/revocation-extensions.ts'
export type {
  BasicConstraints,
  GeneralSubtree,
  NameConstraints,
  PolicyConstraints,
  PolicyInformation,
  PolicyMapping,
} from './extensions/constraints.ts'
export {
  encodeBasicConstraints,
  encodeNameConstraints,
  encodeCertificatePolicies,
  encodePolicyConstraints,
  encodePolicyMappings,
} from './extensions/constraints.ts'
export type { Extension } from './extensions/extension.ts'
export {
  encodeAuthorityKeyIdentifier,
  encodeSubjectKeyIdentifier,
  KeyUsage,
  encodeExtendedKeyUsage,
} from './extensions/key-extensions.ts'
export type { AuthorityKeyIdentifier, KeyUsageName } from './extensions/key-extensions.ts'

export { Certificate } from './certificate.ts'
export { peerCertificates } from './tls-peer.ts'
export type { CertificateInput } from './certificate.ts'
export { CertificateExtensions } from './certificate-extensions.ts'
export type { RawData } from './interchange.ts'
export {
  buildCertificate,
  assembleSigned,
  encodeTbsCertificate,
  requireSigner,
} from './certificate-builder.ts'
export type { CertificateFields } from './certificate-builder.ts'
export { CertificateRequest, isProvenRequest, buildCertificateRequest } from './certificate-request.ts'
export type {
  CertificateRequestInput,
  ProvenRequest,
  CertificateRequestFields,
} from './certificate-request.ts'
export type { ExtensionFields } from './extension-fields.ts'
export { encodeExtensionFields } from './extension-fields.ts'
export { RevocationList } from './revocation-list.ts'
export type { RevocationListInput } from './revocation-list.ts'
export { RevokedEntryCursor } from './revocation-list-entries.ts'
export type { RevokedEntry } from './revocation-list-entries.ts'
export { buildRevocationList, encodeTbsRevocationList } from './revocation-list-builder.ts'
export type { RevocationListFields, RevokedCertificate } from './revocation-list-builder.ts'
