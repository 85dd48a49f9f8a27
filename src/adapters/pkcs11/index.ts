/**
 * Keys in a PKCS#11 token, such as an HSM, a smart card or SoftHSM (optional peer `pkcs11js`).
 *
 * @module spiffe-pki/pkcs11
 */
export { Pkcs11KeyManager } from './pkcs11-key-manager.ts'
export { Pkcs11Module } from './cryptoki/pkcs11-module.ts'
export { HsmError } from './cryptoki/return-value.ts'
