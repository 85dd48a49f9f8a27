// A TCP port in front of a TLS server: what a client sends in its handshake is read before OpenSSL gets it.

import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { LogPace } from '../../../internal/log-pace.ts'
import { FairLine } from '../../../internal/turns/turn-lines.ts'
import { systemClock } from '../../../runtime/index.ts'
import type { Logger } from '../../../runtime/index.ts'
import { beginHandshake, opensslMaxChainBytes } from '../handshake/index.ts'
import { listen } from '../server/index.ts'
import { sourceOf } from '../server/source-address.ts'

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
  await listen(server, { host, port }, logger)
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

/** The first message of a client takes about a millisecond, and many can arrive in one turn. */
const startsPerTurn = 1
