// Converts a grpc-js call to an authentication request.

import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { AuthenticationRequest } from '../../../auth/index.ts'
import type { TlsPeer } from '../../../auth/internal.ts'
import { Certificate } from '../../../x509/index.ts'

/** Finds the TLS peer of a call; undefined on a connection without TLS. @inline */
export type TlsPeerOf = (call: ServerUnaryCall<unknown, unknown>) => TlsPeer | undefined

/**
 * The authentication request of a call. `signal` is aborted when the client cancels or its connection ends.
 */
export function authenticationRequestOf(
  call: ServerUnaryCall<unknown, unknown>,
  tlsPeerOf: TlsPeerOf,
  signal: AbortSignal,
): AuthenticationRequest {
  return {
    transport: 'grpc',
    header: (name) =>
      call.metadata.get(name).map((value) => (typeof value === 'string' ? value : value.toString('latin1'))),
    peer: parsePeer(call.getPeer()),
    get tls() {
      return tlsPeerOf(call)
    },
    signal,
  }
}

/**
 * The TLS peer that grpc-js reports, for a server without our listener: only the leaf, and only if the TLS
 * stack verified it (`ServerCredentials.createSsl(roots, pairs, true)`).
 */
export const tlsPeerFromAuthContext: TlsPeerOf = (call) => {
  const raw = call.getAuthContext().sslPeerCertificate?.raw
  if (raw === undefined) return undefined
  const verifiedChain = [Certificate.parse(new Uint8Array(raw))]
  return { presentedChain: verifiedChain, verifiedChain }
}

/** `address:port`, without brackets around an IPv6 address; `unknown` on a Unix socket. */
export function parsePeer(peer: string): AuthenticationRequest['peer'] {
  const colon = peer.lastIndexOf(':')
  const port = Number(peer.slice(colon + 1))
  return colon < 1 || !Number.isInteger(port) ? undefined : { address: peer.slice(0, colon), port }
}
