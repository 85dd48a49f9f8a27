/**
 * The PKI secrets engine of Vault and OpenBao (one API for both, no peer package) as the upstream CA.
 *
 * @module spiffe-pki/vault
 */
export { createVaultClient } from './vault-client.ts'
