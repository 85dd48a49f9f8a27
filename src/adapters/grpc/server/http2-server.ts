// Access to the HTTP/2 server inside a grpc-js server, which grpc-js does not expose.

import type { Http2Server } from 'node:http2'
import type { ConnectionInjector, Server } from '@grpc/grpc-js'
import { PkiError } from '../../../errors/index.ts'
import type { GrpcModule } from '../grpc-module.ts'

/** The stream handler of grpc-js. */
export type StreamHandler = (...event: unknown[]) => void

/** The target for accepted connections, and the events of their sessions. */
export interface InjectedHttp2Server {
  readonly injector: ConnectionInjector
  readonly http2Server: Http2Server
  /**
   * The stream listener of grpc-js, removed from the server: a stream that is not passed to it never reaches
   * grpc-js.
   */
  readonly handleStream: StreamHandler
}

/**
 * A connection injector of the server and the HTTP/2 server behind it. Admission
 * must handle sessions and streams before grpc-js does. grpc-js (1.14) has no public
 * API for that: its HTTP/2 servers are in the map `http2Servers`.
 *
 * @throws ERR_SERVER_START for a grpc-js without this map: the server does not start without admission
 */
export function injectHttp2Server(grpc: GrpcModule, server: Server): InjectedHttp2Server {
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure())
  const { http2Servers } = server as unknown as { readonly http2Servers?: unknown }
  const known: unknown = http2Servers instanceof Map ? [...http2Servers.keys()].at(-1) : undefined
  const [handleStream] = isHttp2Server(known) ? known.listeners('stream') : []
  if (!isHttp2Server(known) || handleStream === undefined) {
    throw new PkiError(
      'ERR_SERVER_START',
      'this version of @grpc/grpc-js is not supported: 1.14 is known to work',
    )
  }
  known.removeAllListeners('stream')
  return { injector, http2Server: known, handleStream: handleStream as StreamHandler }
}

function isHttp2Server(value: unknown): value is Http2Server {
  const { listeners, updateSettings } = Object(value) as Partial<Http2Server>
  return typeof listeners === 'function' && typeof updateSettings === 'function'
}
