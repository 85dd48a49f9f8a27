/**
 * For `node:http`, Express and Fastify: the public data of a CA (CRLs, OCSP, CA certificates, the SPIFFE
 * bundle, health), and authorization as middleware.
 *
 * @module spiffe-pki/http
 */
export { httpAuthorization } from './authorization.ts'
export { createHttpHandler } from './http-handler.ts'
