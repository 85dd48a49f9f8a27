/**
 * Mutual TLS by SPIFFE ID for node:tls, https, http2 and fetch: certificates that rotate, and peers verified
 * before the first octet.
 *
 * @module spiffe-pki/tls
 */
export { createTlsIdentity } from './create-tls-identity.ts'
export type { TlsIdentity } from './tls-identity.ts'
export type { ConnectionRegistry } from './connection-registry.ts'
export { peerOf } from './accept-peer.ts'
export { guardServer, tlsServerOptions } from './guard-server.ts'
export { createHttp2Server, createHttpsServer, createTlsServer } from './servers.ts'
export { connectTls, httpsAgent } from './client/clients.ts'
export { tlsClientOptions } from './client/client-options.ts'
// The only export that needs the optional peer `undici`.
export { fetchDispatcher } from './client/fetch-dispatcher.ts'
export { requireSpiffePeer, spiffePeerHook } from './require-spiffe-peer.ts'
