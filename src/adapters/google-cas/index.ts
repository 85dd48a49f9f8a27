/**
 * Google's Certificate Authority Service as the CA that signs for a registration authority, through its REST
 * API and without a peer package.
 *
 * @module spiffe-pki/google-cas
 */
export { createCasSigner } from './cas-signer.ts'
