/**
 * Google's Certificate Authority Service, by its REST API and without a peer package, as the CA that signs
 * for a registration authority.
 *
 * @module spiffe-pki/google-cas
 */
export { createCasSigner } from './cas-signer.ts'
