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
