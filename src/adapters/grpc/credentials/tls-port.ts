// A TCP port in front of a TLS server: what a client sends in its handshake is read before OpenSSL gets it.

import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { PkiError } from '../../../errors/index.ts'
import { LogPace } from '../../../internal/log-pace.ts'
import { systemClock } from '../../../runtime/index.ts'
import type { Logger } from '../../../runtime/index.ts'
import { beginHandshake, opensslMaxChainBytes } from '../handshake/index.ts'
import { sourceOf } from '../server/source-address.ts'
import { FairLine } from '../server/index.ts'

/** The settings of a port. */
export interface TlsPortOptions {
  readonly host: string
  readonly port: number
  readonly maxHandshakeBytes: number
  readonly logger: Logger
}

/** A listening port. */
export interface TlsPort {
  readonly address: AddressInfo
  /** Stops accepting. Resolves when every connection is closed, by this port after `graceMs`. */
  close(graceMs: number): Promise<void>
}

/**
 * Listens, and passes connections to the TLS server, which must not listen itself.
 * @throws ERR_SERVER_START
 */
export async function openTlsPort(
  tlsServer: TlsServer,
  { host, port, maxHandshakeBytes, logger }: TlsPortOptions,
): Promise<TlsPort> {
  const pace = new LogPace(systemClock)
  const sockets = new Set<Socket>()
  const refuse = (socket: Socket, fields: Readonly<Record<string, unknown>>): void => {
    const due = pace.due('handshake')
    const peer = socket.remoteAddress
    if (due !== undefined) logger.warn({ peer, ...fields, ...due }, 'TLS handshake of a client refused')
    socket.resetAndDestroy()
  }
  if (maxHandshakeBytes < opensslMaxChainBytes) tlsServer.on('keylog', () => undefined)
  const line = new FairLine(startsPerTurn)
  const begin = (socket: Socket): void => {
    if (socket.destroyed) return
    const bound = {
      maxOctets: maxHandshakeBytes,
      exceeded: (octets: number) =>
        refuse(socket, { reason: `more than ${maxHandshakeBytes} octets (maxHandshakeBytes)`, octets }),
      refused: (fault: object) => refuse(socket, { ...fault }),
    }
    beginHandshake(tlsServer, socket, maxHandshakeBytes < opensslMaxChainBytes ? bound : undefined, {
      secured: (above) => void tlsServer.emit('secureConnection', above),
      failed: (_error, above) => above.destroy(),
    })
  }
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    void line.turn(sourceOf(socket.remoteAddress)).then(() => begin(socket))
  })
  // The TLS server uses new SVIDs until it is closed.
  server.once('close', () => tlsServer.close())
  await listen(server, host, port)
  return {
    address: server.address() as AddressInfo,
    close: (graceMs) =>
      new Promise((resolve) => {
        const stop = systemClock.schedule(() => {
          for (const socket of sockets) socket.destroy()
        }, graceMs)
        server.close(() => {
          stop()
          resolve()
        })
      }),
  }
}

/** Many handshakes that begin together would end together, and their chains cost 25 ms each. */
const startsPerTurn = 1

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      server.close()
      reject(new PkiError('ERR_SERVER_START', `cannot listen: ${cause.message}`, { cause }))
    }
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed)
      // If a connection cannot be accepted because no descriptor is free, neither the process nor the
      // listener may end.
      server.on('error', () => undefined)
      resolve()
    })
  })
}
