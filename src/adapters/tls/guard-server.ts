// The gate of a TLS server: no connection reaches the application before its peer is verified and authorized.

import type { Server as HttpsServer } from 'node:https'
import type { Server, TLSSocket, TlsOptions } from 'node:tls'
import { randomBytes } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { acceptPeer } from './accept-peer.ts'
import { matcherOf } from './peer-verifier.ts'
import type { PeerAuthorization } from './peer-verifier.ts'
import { requireTlsIdentity } from './tls-identity.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Options of a guarded server. @inline */
export interface ServerGuardOptions {
  /** Which clients are accepted; required, without a default. */
  readonly authorize: PeerAuthorization
  /**
   * A connection is closed at this age, gracefully if the protocol supports it. Default 24 hours; Infinity
   * for no limit.
   */
  readonly maxConnectionAgeSeconds?: number | undefined
}

/**
 * Options for `tls.createServer`, `https.createServer`, `http2.createSecureServer` or a framework that passes
 * them on. A server with these options refuses **every** client until `guardServer` is called on it: the
 * options contain no trusted authority, and the guard verifies clients instead.
 *
 * @throws ERR_SVID_UNAVAILABLE
 */
export function tlsServerOptions(identity: TlsIdentity): TlsOptions {
  return { ...requireTlsIdentity(identity).credentials(), requestCert: true, rejectUnauthorized: true }
}

/**
 * Installs the gate on a server created with `tlsServerOptions`, and keeps its certificate current. Returns
 * the server.
 *
 * @throws ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
 * @example
 * ```ts
 * const unguarded = https.createServer(tlsServerOptions(identity), app)
 * const server = guardServer(unguarded, identity, { authorize: match.memberOf('example.org') })
 * ```
 */
export function guardServer<S extends Server>(
  server: S,
  identity: TlsIdentity,
  options: ServerGuardOptions,
): S {
  const { authorize, maxConnectionAgeSeconds = 86_400 } = readOptions('guardServer', options, optionKinds)
  requireCount('maxConnectionAgeSeconds', maxConnectionAgeSeconds, 1, Infinity)
  const matches = matcherOf(authorize)
  const own = requireTlsIdentity(identity)
  requireUnguarded(server)
  gate(server, (socket) => {
    const peer = acceptPeer(own, socket, { authorize: matches, purpose: 'clientAuth' })
    if (!(peer instanceof PkiError)) limitAge(server, socket, maxConnectionAgeSeconds)
    return peer
  })
  const stop = own.onChange(() => {
    // New handshakes use the new certificate. The ticket keys are replaced too: an earlier session must not
    // be resumed with what was trusted then.
    server.setSecureContext(own.credentials())
    server.setTicketKeys(randomBytes(48))
  })
  server.once('close', stop)
  return server
  function limitAge(of: Server, socket: TLSSocket, seconds: number): void {
    if (seconds === Infinity) return
    const cancel = own.clock.schedule(() => {
      drain(of, socket)
    }, seconds * 1000)
    socket.once('close', cancel)
  }
}

/** Every path to `secureConnection` passes through `emit`, also for listeners that are added later. */
function gate(server: Server, accept: (socket: TLSSocket) => object): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean
  const guarded = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event !== 'secureConnection') return emit(event, ...values)
    const socket = values[0] as TLSSocket
    // The peer can reset the connection at any time: errors are handled here until the application has the
    // socket.
    const ignore = (): void => undefined
    socket.on('error', ignore)
    const outcome = accept(socket)
    if (outcome instanceof PkiError) {
      socket.destroy()
      return true
    }
    const heard = emit(event, ...values)
    socket.off('error', ignore)
    return heard
  }
  server.emit = guarded as Server['emit']
  // From here on, only this package verifies the client; Node's own check has no authorities and would refuse
  // every peer.
  Object.assign(server, { rejectUnauthorized: false, [guardedMark]: true })
}

function requireUnguarded(server: Server): void {
  const { requestCert, [guardedMark]: guarded } = server as { requestCert?: unknown; [guardedMark]?: unknown }
  if (guarded === true)
    throw new PkiError('ERR_INVALID_ARGUMENT', 'guardServer: the server already has a guard')
  if (requestCert !== true)
    throw new PkiError(
      'ERR_INVALID_ARGUMENT',
      'guardServer: the server was not created with the options of tlsServerOptions',
    )
}

/** HTTP/1 closes when idle, or after the response in progress; other protocols half-close. */
function drain(server: Server, socket: TLSSocket): void {
  if (typeof (server as Partial<HttpsServer>).closeIdleConnections !== 'function') {
    socket.end()
    return
  }
  const response = (
    socket as { _httpMessage?: { setHeader(name: string, value: string): unknown; headersSent: boolean } }
  )._httpMessage
  if (response === undefined) socket.end()
  else if (!response.headersSent) response.setHeader('connection', 'close')
  else socket.setTimeout(1, () => socket.end())
}

const guardedMark = Symbol('guarded')

const optionKinds: OptionKinds<ServerGuardOptions> = {
  authorize: 'required',
  maxConnectionAgeSeconds: 'optional',
}
