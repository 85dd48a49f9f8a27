// TLS handshakes whose cost for this process is bounded.

export { boundedClient } from './bounded-client.ts'
export { beginHandshake, opensslMaxChainBytes } from './bounded-server.ts'
export { maxCertificates } from './certificate-message.ts'
export type { HandshakeFault } from './certificate-message.ts'
