/**
 * Google's Certificate Authority Service as the CA that signs for a registration authority, by its public
 * REST
 * API. Nothing to install. Tested against a fake that was written from that API.
 *
 * @module spiffe-pki/google-cas
 */
export { createCasSigner } from './cas-signer.ts'
