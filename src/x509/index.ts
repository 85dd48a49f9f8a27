/**
 * Certificates, certification requests and revocation lists: read as views over their bytes, built and signed with any `Signer`.
 *
 * @module spiffe-pki/x509
 */
export { signatureAlgorithms } from './algorithms/signature-algorithm.ts'
export type { HashName, PublicKeyAlgorithm, SignatureAlgorithm, SignatureAlgorithmInfo } from './algorithms/signature-algorithm.ts'
export { AlgorithmIdentifier } from './algorithms/algorithm-identifier.ts'
export { PublicKey } from './algorithms/public-key.ts'
export type { PublicKeyInput } from './algorithms/public-key.ts'
export type { SubjectPublicKeyInfo } from './algorithms/subject-public-key-info.ts'
export type { KeyStrengthPolicy } from './algorithms/key-strength.ts'
export type { Signer } from './algorithms/signer.ts'
export { verifySignature } from './algorithms/verify-signature.ts'
export type { EcdsaEncoding } from './algorithms/verify-signature.ts'

export { DistinguishedName, rdnComparisonKey } from './names/distinguished-name.ts'
export type { AttributeTypeAndValue, RelativeDistinguishedName } from './names/distinguished-name.ts'
export type { NameAttribute } from './names/encode-attributes.ts'
export { encodeGeneralName, formatGeneralName, generalName, readGeneralName, readGeneralNames } from './names/general-name.ts'
export type { GeneralName, GeneralNameUse } from './names/general-name.ts'
export { formatIpAddress, parseIpAddress } from './names/ip-address.ts'

export { anyPolicy, extensionOids, keyPurposeOids } from './oids.ts'
export { generateSerialNumber, parseSerialNumber, serialNumberBytes, serialNumberFromBytes } from './serial-number.ts'
export type { SerialNumber } from './serial-number.ts'

export type { AccessDescription } from './extensions/authority-info-access.ts'
export { encodeInfoAccess } from './extensions/authority-info-access.ts'
export type { BasicConstraints } from './extensions/basic-constraints.ts'
export { encodeBasicConstraints } from './extensions/basic-constraints.ts'
export { encodeCertificatePolicies, encodePolicyConstraints, encodePolicyMappings } from './extensions/certificate-policies.ts'
export type { PolicyConstraints, PolicyInformation, PolicyMapping } from './extensions/certificate-policies.ts'
export { allReasons, encodeDistributionPoints, encodeIssuingDistributionPoint } from './extensions/distribution-points.ts'
export type { DistributionPoint, DistributionPointName, IssuingDistributionPoint, ReasonFlags } from './extensions/distribution-points.ts'
export { encodeExtension } from './extensions/extension.ts'
export type { Extension } from './extensions/extension.ts'
export { encodeAuthorityKeyIdentifier, encodeSubjectKeyIdentifier } from './extensions/key-identifiers.ts'
export type { AuthorityKeyIdentifier } from './extensions/key-identifiers.ts'
export { KeyUsage, encodeExtendedKeyUsage } from './extensions/key-usage.ts'
export type { KeyUsageName } from './extensions/key-usage.ts'
export { encodeNameConstraints } from './extensions/name-constraints.ts'
export type { GeneralSubtree, NameConstraints } from './extensions/name-constraints.ts'
export { encodeAltName } from './extensions/subject-alt-name.ts'

export { Certificate } from './certificate.ts'
export type { CertificateInput } from './certificate.ts'
export { CertificateExtensions } from './certificate-extensions.ts'
export type { RawData } from './interchange.ts'
