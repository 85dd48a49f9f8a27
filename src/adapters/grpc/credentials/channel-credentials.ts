// Credentials of a grpc-js channel: mutual TLS by SPIFFE ID, with the current SVID in each handshake.

import type { ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import { nameOf } from '../../../internal/values/name-of.ts'
import type { SpiffeIdMatcher } from '../../../spiffe/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { boundedClient } from '../handshake/index.ts'
import { connectorCredentials } from './connector-credentials.ts'
import type { GrpcTlsIdentity } from './tls-identity.ts'

/**
 * Options of `grpcChannelCredentials`.
 *
 * @inline
 */
export interface GrpcChannelOptions {
  /**
   * The SPIFFE ID that the server must have, or a matcher. Required: no default accepts every server.
   */
  readonly id: SpiffeId | SpiffeIdMatcher | string
  /** Another copy of `@grpc/grpc-js`, for tests and bundles. Default: the installed one. */
  readonly grpc?: GrpcModule | undefined
}

/**
 * Credentials for a client of grpc-js. No octet of a call is sent before the server is verified by the bundle
 * of its own trust domain and matches `id`. If the server is refused, the call ends with UNAVAILABLE and the
 * reason in its details. New connections use the current SVID and bundles.
 *
 * @throws ERR_PEER_NOT_INSTALLED, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const credentials = await grpcChannelCredentials(identity, { id: 'spiffe://example.org/orders' })
 * const client = new Client('orders:8443', credentials)
 * ```
 */
export async function grpcChannelCredentials(
  identity: GrpcTlsIdentity,
  given: GrpcChannelOptions,
): Promise<ChannelCredentials> {
  const options = readOptions('grpcChannelCredentials', given, { id: 'required', grpc: 'optional' })
  // Detects an invalid ID now, not at the first call.
  const id = typeof options.id === 'function' ? options.id : SpiffeId.from(options.id)
  if (typeof (Object(identity) as Partial<GrpcTlsIdentity>).secureClient !== 'function')
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      `grpcChannelCredentials: identity must come from createTlsIdentity, found ${nameOf(identity)}`,
    )
  const grpc = await loadGrpc(options.grpc)
  return connectorCredentials(grpc, (socket, servername) =>
    boundedClient(socket, (stream) => identity.secureClient(stream, { id, alpn: ['h2'], servername })),
  )
}
