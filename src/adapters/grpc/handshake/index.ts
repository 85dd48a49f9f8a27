// TLS handshakes whose cost for this process is bounded.

export { boundedClient } from './bounded-client.ts'
export { BoundedHandshake } from './bounded-handshake.ts'
export { maxCertificates } from './certificate-message.ts'
export type { HandshakeFault } from './certificate-message.ts'
