// Credentials of a grpc-js channel whose TLS connections this package opens.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import type { GrpcModule } from '../grpc-module.ts'

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

/** The address of a channel, as grpc-js has parsed it. */
export type ChannelTarget = Parameters<ChannelCredentials['_createSecureConnector']>[0]

/**
 * Credentials that call `begin` for the handshake on each connected socket. To refuse a server, `begin`
 * destroys the TLS socket at its `secureConnect`.
 */
export function connectorCredentials(
  grpc: GrpcModule,
  begin: (socket: Socket, target: ChannelTarget) => TLSSocket,
): ChannelCredentials {
  class ConnectorCredentials extends grpc.ChannelCredentials {
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
      target: ChannelTarget,
      _options: unknown,
      callCredentials: CallCredentials = grpc.CallCredentials.createEmpty(),
    ): SecureConnector {
      return {
        connect: (socket) => secured(begin(socket, target)),
        waitForReady: () => Promise.resolve(),
        getCallCredentials: () => callCredentials,
        destroy: () => undefined,
      }
    }
  }
  return new ConnectorCredentials()
}

function secured(socket: TLSSocket): Promise<{ socket: Socket; secure: boolean }> {
  return new Promise((resolve, reject) => {
    // Stays: an error between this promise and the HTTP/2 session has no other listener.
    socket.on('error', reject)
    socket.once('close', () =>
      reject(new PkiError('ERR_TLS_PEER', 'the connection closed during the TLS handshake')),
    )
    socket.once('secureConnect', () => {
      if (!socket.destroyed) resolve({ socket, secure: true })
    })
  })
}
