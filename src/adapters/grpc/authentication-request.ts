// A grpc-js call as authenticators see it.

import type { ServerUnaryCall } from '@grpc/grpc-js'
import type { AuthenticationRequest, TlsPeer } from '../../auth/index.ts'
import { Certificate } from '../../x509/index.ts'

/** Finds the TLS peer of a call; undefined on a connection without TLS. */
export type TlsPeerOf = (call: ServerUnaryCall<unknown, unknown>) => TlsPeer | undefined

/** The view of a call. `signal` is aborted when the client cancels or its connection ends. */
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
 * The TLS peer as grpc-js tells it, for a server that is not ours: the leaf, and only if the TLS stack trusts it
 * (`ServerCredentials.createSsl(roots, pairs, true)`).
 */
export const tlsPeerFromAuthContext: TlsPeerOf = (call) => {
  const raw = call.getAuthContext().sslPeerCertificate?.raw
  if (raw === undefined) return undefined
  const verifiedChain = [Certificate.parse(new Uint8Array(raw))]
  return { presentedChain: verifiedChain, verifiedChain }
}

/** `address:port`, the address of an IPv6 peer being bare; `unknown` on a Unix socket. */
function parsePeer(peer: string): AuthenticationRequest['peer'] {
  const colon = peer.lastIndexOf(':')
  const port = Number(peer.slice(colon + 1))
  return colon < 1 || !Number.isInteger(port) ? undefined : { address: peer.slice(0, colon), port }
}
