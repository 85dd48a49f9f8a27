// TLS handshakes whose cost for this process is bounded.

export { BoundedHandshake } from './bounded-handshake.ts'
export type { HandshakeBound } from './bounded-handshake.ts'
