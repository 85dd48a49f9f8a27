// The gate of a TLS server: no connection reaches the application before its peer is verified and authorized.

import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import { randomBytes } from 'node:crypto'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { readOptions } from '../../internal/options.ts'
import type { OptionKinds } from '../../internal/options.ts'
import { acceptPeer, realSocketOf } from './accept-peer.ts'
import { matcherOf } from './peer-verifier.ts'
import type { PeerAuthorization } from './peer-verifier.ts'
import { closeWhenDead } from './session-liveness.ts'
import { requireTlsIdentity } from './tls-identity.ts'
import type { TlsCredentials, TlsIdentity } from './tls-identity.ts'

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
 * options contain no trusted authority, and the guard verifies clients instead. A handshake has 10 s.
 *
 * @throws ERR_SVID_UNAVAILABLE
 */
export function tlsServerOptions(identity: TlsIdentity): TlsOptions {
  return {
    ...requireTlsIdentity(identity).credentials(),
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: handshakeTimeoutMs,
  }
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
  const sessions: Sessions = new WeakMap()
  server.on('session', (session: ServerHttp2Session) => {
    const socket = realSocketOf(session.socket) as TLSSocket
    sessions.set(socket, session)
    closeWhenDead(session, socket, own.clock)
  })
  gate(server, (socket) => {
    const peer = acceptPeer(own, socket, { authorize: matches, purpose: 'clientAuth' })
    if (!(peer instanceof PkiError)) limitAge(socket, maxConnectionAgeSeconds)
    return peer
  })
  // After a handshake that takes too long `tls.Server` emits an event, and leaves the connection open.
  server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy())
  const forgetSessions = (): void => {
    server.setTicketKeys(randomBytes(48))
  }
  const stops = [
    own.onChange(() => {
      // The ticket keys first, whether or not the new certificate can be used: an earlier session must not be
      // resumed with the trust of that time.
      forgetSessions()
      server.setSecureContext(renewedContext(server, own.credentials()))
    }),
    // Without its chain, the client of a resumed session would be refused while it keeps the session.
    own.verifier.chains.onForgotten(forgetSessions),
  ]
  server.once('close', () => {
    for (const stop of stops) stop()
  })
  return server
  function limitAge(socket: TLSSocket, seconds: number): void {
    if (seconds === Infinity) return
    const cancel = own.clock.schedule(() => {
      drain(socket, sessions)
    }, seconds * 1000)
    socket.on('close', cancel)
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

/**
 * HTTP/2 closes after the streams in progress, HTTP/1 when idle or after the response in progress; other
 * protocols after what was written. A half-closed connection would still process data from its client.
 */
function drain(socket: TLSSocket, sessions: Sessions): void {
  const session = sessions.get(socket)
  // Null between two requests of a connection.
  const { _httpMessage: response } = socket as { _httpMessage?: ServerResponse | null }
  if (session !== undefined) session.close()
  else if (response === undefined || response === null) socket.destroySoon()
  else {
    if (!response.headersSent) response.setHeader('connection', 'close')
    // The next response of a pipeline may be in progress by then.
    response.once('finish', () => {
      drain(socket, sessions)
    })
  }
}

/**
 * The new certificate, with the application's own settings for handshakes, such as fewer ciphers or a higher
 * minimum version: Node drops them if a new context does not repeat them.
 */
function renewedContext(server: Server, credentials: TlsCredentials): SecureContextOptions {
  const known: SecureContextOptions = server as object
  const { minVersion = credentials.minVersion, secureOptions = 0 } = known
  const repeated = chosen
    .map((name) => [name, known[name]] as readonly [string, unknown])
    .filter(([, value]) => value !== undefined)
  return {
    ...Object.fromEntries(repeated),
    ...credentials,
    minVersion: minVersion > credentials.minVersion ? minVersion : credentials.minVersion,
    secureOptions: secureOptions | credentials.secureOptions,
  }
}

const chosen = [
  'ciphers',
  'sigalgs',
  'ecdhCurve',
  'dhparam',
  'maxVersion',
  'honorCipherOrder',
  'sessionIdContext',
  'sessionTimeout',
] as const satisfies readonly (keyof SecureContextOptions)[]

/** The HTTP/2 sessions by socket; the socket itself has no reference to its session. */
type Sessions = WeakMap<object, ServerHttp2Session>

/** Node's own default is 120 s. */
const handshakeTimeoutMs = 10_000

const guardedMark = Symbol('guarded')

const optionKinds: OptionKinds<ServerGuardOptions> = {
  authorize: 'required',
  maxConnectionAgeSeconds: 'optional',
}
