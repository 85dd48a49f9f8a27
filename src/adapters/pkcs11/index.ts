/**
 * Keys in a PKCS#11 token: an HSM, a smart card, SoftHSM. Needs the optional peer `pkcs11js`.
 *
 * @module spiffe-pki/pkcs11
 */
export { Pkcs11KeyManager } from './pkcs11-key-manager.ts'
export type { Pkcs11KeyManagerOptions } from './pkcs11-key-manager.ts'
export { Pkcs11Module } from './pkcs11-module.ts'
export type { Pkcs11ModuleOptions } from './pkcs11-module.ts'
export { Pkcs11Signer } from './pkcs11-signer.ts'
export type { CheckSignatures, Pkcs11SignerFields } from './pkcs11-signer.ts'
export { HsmError } from './return-value.ts'
export type { FailureClass } from './return-value.ts'
export type { SessionPoolCounts } from './session-pool.ts'
export type { TokenHealth } from './token-connection.ts'
export type { PinSource, PinValue, TokenSelector } from './token.ts'
export type { Pkcs11Binding } from './cryptoki.ts'
