// The second entry point of keys, for the layers above only: not part of the package's public API.
export { ownProtection } from './backup/own-protection.ts'
export { decryptPkcs8, encryptPkcs8 } from './private-key/encrypted-pkcs8.ts'
export { loadPrivateKey } from './private-key/private-key-info.ts'
export {
  isKeyAlgorithm,
  keyAlgorithmOf,
  keyAlgorithms,
  keyExists,
  keyIdPattern,
  keyNotFound,
  requireKeyAlgorithm,
  requireKeyId,
} from './key-algorithm.ts'
