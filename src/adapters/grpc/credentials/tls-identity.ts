// The contract of a TLS identity for gRPC, which `TlsIdentity` of `spiffe-pki/tls` implements.

import type { Duplex } from 'node:stream'
import type { Server, TLSSocket } from 'node:tls'
import type { SpiffeId, SpiffeIdMatcher } from '../../../spiffe/index.ts'

/** Secures connections that gRPC opens or accepts; created by `createTlsIdentity`. */
export interface GrpcTlsIdentity {
  /**
   * TLS over a connected socket. It emits `secureConnect` once the server is verified, and transfers no data
   * before that.
   */
  secureClient(
    socket: Duplex,
    options: {
      readonly id: SpiffeId | SpiffeIdMatcher | string
      readonly alpn: readonly string[]
      readonly servername?: string | undefined
    },
  ): TLSSocket
  /** A TLS server, not listening yet, that passes on only the sockets of verified clients. */
  secureServer(
    options: {
      readonly authorize: SpiffeId | SpiffeIdMatcher | string
      readonly alpn: readonly string[]
      readonly maxConnectionAgeSeconds?: number | undefined
    },
    onConnection: (socket: TLSSocket, peer: { readonly id: SpiffeId }) => void,
  ): Server
}
