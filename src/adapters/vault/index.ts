/**
 * Vault's PKI secrets engine, and OpenBao's, which has the same API, as the CA above ours. Nothing to
 * install.
 *
 * @module spiffe-pki/vault
 */
export { createVaultClient } from './vault-client.ts'
