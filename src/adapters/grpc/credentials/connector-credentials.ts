// Credentials of a grpc-js channel whose TLS connections this package opens.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { CallCredentials, ChannelCredentials } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import type { GrpcModule } from '../grpc-module.ts'
import { serverNameOf } from './server-name.ts'

type ChannelTarget = Parameters<ChannelCredentials['_createSecureConnector']>[0]
type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>

/**
 * Credentials that call `begin` for the handshake on each connected socket, with the name of the server, if
 * it has one. To refuse a server, `begin` destroys the TLS socket at its `secureConnect`.
 */
export function connectorCredentials(
  grpc: GrpcModule,
  begin: (socket: Socket, serverName: string | undefined) => TLSSocket,
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
      { path }: ChannelTarget,
      options: Readonly<Record<string, unknown>>,
      callCredentials: CallCredentials = grpc.CallCredentials.createEmpty(),
    ): SecureConnector {
      const serverName = serverNameOf(path, options)
      return {
        connect: (socket) => secured(begin(socket, serverName)),
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
