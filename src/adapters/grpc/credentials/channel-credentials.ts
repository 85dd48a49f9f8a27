// Credentials of a grpc-js channel: mutual TLS by SPIFFE ID, with the current SVID in each handshake.

import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import type { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import { readOptions } from '../../../internal/options.ts'
import type { SpiffeIdMatcher } from '../../../spiffe/index.ts'
import { SpiffeId } from '../../../spiffe/index.ts'
import { loadGrpc } from '../grpc-module.ts'
import type { GrpcModule } from '../grpc-module.ts'
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

/** A connected socket in the form that grpc-js expects. */
type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

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
      'grpcChannelCredentials: identity must come from createTlsIdentity',
    )
  const grpc = await loadGrpc(options.grpc)
  class IdentityCredentials extends grpc.ChannelCredentials {
    _isSecure(): boolean {
      return true
    }

    /**
     * Channels with equal credentials share connections: a connection for this server must not be used for
     * another.
     */
    _equals(other: ChannelCredentials): boolean {
      return this === other
    }

    _createSecureConnector(
      target: Parameters<ChannelCredentials['_createSecureConnector']>[0],
      _options: unknown,
      callCredentials: CallCredentials = grpc.CallCredentials.createEmpty(),
    ): SecureConnector {
      return {
        connect: (socket) => secure(identity, socket, id, serverNameOf(target.path)),
        waitForReady: () => Promise.resolve(),
        getCallCredentials: () => callCredentials,
        destroy: () => undefined,
      }
    }
  }
  return new IdentityCredentials()
}

function secure(
  identity: GrpcTlsIdentity,
  socket: Socket,
  id: SpiffeId | SpiffeIdMatcher,
  servername: string | undefined,
): Promise<{ socket: Socket; secure: boolean }> {
  return new Promise((resolve, reject) => {
    const secured = identity.secureClient(socket, { id, alpn: ['h2'], servername })
    const failed = (error?: Error): void => {
      reject(error ?? new PkiError('ERR_TLS_PEER', 'the connection closed during the TLS handshake'))
    }
    const closed = (): void => failed()
    secured.once('error', failed)
    secured.once('close', closed)
    secured.once('secureConnect', () => {
      secured.off('error', failed)
      secured.off('close', closed)
      resolve({ socket: secured, secure: true })
    })
  })
}

/** The host of `host:port`, if it is a name: IP addresses are not server names (RFC 6066 §3). */
function serverNameOf(path: string): string | undefined {
  const host = /^([A-Za-z0-9._-]{1,253})(?::\d{1,5})?$/.exec(path)?.[1]
  return host === undefined || isIP(host) !== 0 ? undefined : host
}
