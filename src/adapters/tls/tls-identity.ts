// The identity of this process in TLS, and the verification of its peers: one object for servers and clients
// of every protocol.

import { constants } from 'node:crypto'
import { DEFAULT_CIPHERS, createSecureContext } from 'node:tls'
import type { SecureContext, Server, TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import { PkiError } from '../../errors/index.ts'
import { requireCount } from '../../internal/numbers.ts'
import { Turns } from '../../internal/turns/turns.ts'
import { nameOf } from '../../internal/values/name-of.ts'
import { systemClock } from '../../runtime/index.ts'
import { safeLogger } from '../../runtime/internal.ts'
import type { Clock, Logger } from '../../runtime/index.ts'
import type { X509Identity, X509Source } from '../../secrets/index.ts'
import type { RevocationChecker } from '../../validation/index.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import type { LiveConnection, TlsPeerIdentity } from './connection-registry.ts'
import { PeerVerifier } from './peer-verifier.ts'
import type { PeerAuthorization } from './peer-verifier.ts'

/** Options of `createTlsIdentity`. @inline */
export interface TlsIdentityOptions {
  /** The SVID of this process, and the bundles that verify its peers. */
  readonly source: X509Source
  /**
   * Called at each handshake, each resumption and each `recheck`. If absent, peers are not checked for
   * revocation.
   */
  readonly revocation?: RevocationChecker
  /**
   * How often the peers of open connections are verified again automatically, in seconds; a revocation may
   * take that long to close a connection. Default 60 with `revocation`, otherwise Infinity: never.
   */
  readonly recheckSeconds?: number | undefined
  /** Default `TLSv1.2`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly clock?: Clock | undefined
  /** Receives a line for each refused peer and each closed connection. */
  readonly logger?: Logger | undefined
}

/** The identity of this process in TLS. Disposing of it closes its connections and refuses new ones. */
export interface TlsIdentity extends AsyncDisposable {
  /** The SVID with its private key for the next handshake. @throws ERR_SVID_UNAVAILABLE */
  readonly current: X509Identity
  /**
   * The live connections of this identity, by peer: close those of one SPIFFE ID, serial number or issuer.
   */
  readonly connections: ConnectionRegistry
  /**
   * Verifies the peer of every live connection again, with the current bundles, revocation and authorization,
   * and closes the connections that fail. This also happens when the source changes or is withdrawn, and
   * every `recheckSeconds`, then in several turns of the event loop. Call it if a new CRL or a changed
   * authorization must take effect at once. Returns the number of closed connections.
   */
  recheck(): number
  /**
   * TLS over a connected socket, for protocols without an adapter here. It emits `secureConnect` once the
   * server is verified and authorized, and transfers no data before that. If the server is refused, it emits
   * `error`.
   *
   * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
   */
  secureClient(socket: Duplex, options: SecureClientOptions): TLSSocket
  /**
   * A TLS server, not listening yet, that passes on only the sockets of verified and authorized clients.
   *
   * @throws ERR_SVID_UNAVAILABLE, ERR_INVALID_ARGUMENT, ERR_SPIFFE_ID_INVALID
   */
  secureServer(
    options: SecureServerOptions,
    onConnection: (socket: TLSSocket, peer: TlsPeerIdentity) => void,
  ): Server
}

/**
 * The server that a connection accepts, and the offered protocols.
 *
 * @inline
 */
export interface SecureClientOptions {
  /** The SPIFFE ID that the server must have, or a matcher. */
  readonly id: PeerAuthorization
  /** Protocols to offer, the preferred first, such as `['h2']`. */
  readonly alpn?: readonly string[] | undefined
  /** The host name by which the server selects its certificate. */
  readonly servername?: string | undefined
}

/**
 * The clients that a server accepts, and its protocols.
 *
 * @inline
 */
export interface SecureServerOptions {
  readonly authorize: PeerAuthorization
  readonly alpn?: readonly string[] | undefined
  /** A connection is closed at this age. Default 24 hours; Infinity for no limit. */
  readonly maxConnectionAgeSeconds?: number | undefined
}

/** Repeats a task, each time this long after its last end. Returns a function that stops it. */
function everySeconds(clock: Clock, seconds: number, perform: () => Promise<void>): () => void {
  if (seconds === Infinity) return () => undefined
  let isStopped = false
  let cancel = (): void => undefined
  const next = (): void => {
    if (isStopped) return
    cancel = clock.schedule(() => {
      void perform().finally(next)
    }, seconds * 1000)
  }
  next()
  return () => {
    isStopped = true
    cancel()
  }
}

/** The part of Node's TLS options that an identity sets. */
export interface TlsCredentials {
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly ca: string[]
  readonly secureOptions: number
}

/** The members of an identity that servers and clients of this adapter use. */
export abstract class SourceTlsIdentity implements TlsIdentity {
  readonly source: X509Source
  readonly connections: ConnectionRegistry = new ConnectionRegistry()
  readonly verifier: PeerVerifier
  readonly clock: Clock
  readonly logger: Logger
  readonly #minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly #stop: () => void
  readonly #listeners = new Set<() => void>()
  #round = 0
  #change = 0
  #isClosed = false
  #context: { readonly identity: X509Identity; readonly context: SecureContext } | undefined

  constructor(options: Readonly<TlsIdentityOptions>) {
    const { source, revocation, minVersion, clock, logger } = options
    const { recheckSeconds = revocation === undefined ? Infinity : 60 } = options
    requireCount('createTlsIdentity: recheckSeconds', recheckSeconds, 1, Infinity)
    if (typeof (Object(source) as Partial<X509Source>).onChange !== 'function')
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createTlsIdentity: source must be an X509Source, found ${nameOf(source)}`,
      )
    if (
      revocation !== undefined &&
      typeof (Object(revocation) as Partial<RevocationChecker>).check !== 'function'
    )
      throw new PkiError('ERR_INVALID_ARGUMENT', 'createTlsIdentity: revocation must be a RevocationChecker')
    // Node would accept versions that RFC 8996 forbids.
    if (minVersion !== undefined && !versions.includes(minVersion))
      throw new PkiError(
        'ERR_INVALID_ARGUMENT',
        `createTlsIdentity: minVersion must be one of ${versions.join(', ')}`,
      )
    this.source = source
    this.clock = clock ?? systemClock
    this.logger = safeLogger('createTlsIdentity', logger)
    this.verifier = new PeerVerifier({ bundles: source, revocation, clock: this.clock })
    this.#minVersion = minVersion ?? 'TLSv1.2'
    const changed = (): void => {
      this.#change++
      for (const listener of [...this.#listeners]) this.#tell(listener)
      void this.#recheckInTurns()
    }
    const stops = [
      source.onChange(changed),
      source.onWithdrawn?.(changed),
      everySeconds(this.clock, recheckSeconds, () => this.#recheckInTurns()),
    ]
    this.#stop = () => {
      for (const stop of stops) stop?.()
    }
  }

  abstract secureClient(socket: Duplex, options: SecureClientOptions): TLSSocket

  abstract secureServer(
    options: SecureServerOptions,
    onConnection: (socket: TLSSocket, peer: TlsPeerIdentity) => void,
  ): Server

  get current(): X509Identity {
    return this.source.current
  }

  /** A number that changes after each new SVID or bundle, and after each withdrawal. */
  get change(): number {
    return this.#change
  }

  /** The inputs of a secure context. */
  credentials(): TlsCredentials {
    const { svid, privateKey } = this.source.current
    return {
      cert: svid.toPem(),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      minVersion: this.#minVersion,
      // No authority, because the PeerVerifier verifies peers. Without this key Node would load its own list
      // of public CAs.
      ca: [],
      // A renegotiation (TLS 1.2) could change the peer's certificate after it was verified.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    }
  }

  /** Of clients. One per SVID, because creating one costs more than a handshake. */
  secureContext(): SecureContext {
    const identity = this.source.current
    if (this.#context?.identity !== identity) {
      // The server chooses the group of finite-field Diffie-Hellman, and with it the work of its client.
      const ciphers = `${DEFAULT_CIPHERS}:!DHE`
      this.#context = { identity, context: createSecureContext({ ...this.credentials(), ciphers }) }
    }
    return this.#context.context
  }

  /**
   * Calls `listener` after each `change`. Returns a function that stops the calls; until then the identity
   * keeps a reference to the listener.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** A server that cannot use the new SVID must not keep the connections of removed roots open. */
  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.logger.error({ reason: String(error) }, 'a server or client cannot use the new SVID')
    }
  }

  recheck(): number {
    this.#round++
    let closed = 0
    for (const connection of this.connections) if (this.#closeRefused(connection)) closed++
    return closed
  }

  /**
   * After a change of a root every chain must be searched again; many of them in one turn would block the
   * event loop for seconds.
   */
  async #recheckInTurns(): Promise<void> {
    const round = ++this.#round
    const turns = new Turns()
    for (const connection of this.connections) {
      await turns.give()
      // A later round has begun with every connection.
      if (round !== this.#round) return
      this.#closeRefused(connection)
    }
  }

  #closeRefused(connection: LiveConnection): boolean {
    const fault = connection.recheck()
    if (fault === undefined) return false
    this.logger.warn(
      { peer: connection.peer.id.toString(), code: fault.code, reason: fault.message },
      'connection closed: its peer is no longer accepted',
    )
    connection.close(fault)
    return true
  }

  /** Refuses connections after disposal, because no later change would close them. @throws ERR_CLOSED */
  requireOpen(): void {
    if (this.#isClosed) throw new PkiError('ERR_CLOSED', 'the TLS identity was disposed of')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    this.#stop()
    this.#round++
    this.#listeners.clear()
    this.connections.closeAll(new PkiError('ERR_CLOSED', 'the TLS identity was disposed of'))
  }
}

const versions = ['TLSv1.2', 'TLSv1.3'] as const

/** The implementation behind a `TlsIdentity`. @throws ERR_INVALID_ARGUMENT */
export function requireTlsIdentity(identity: TlsIdentity): SourceTlsIdentity {
  if (identity instanceof SourceTlsIdentity) return identity
  throw new PkiError('ERR_INVALID_ARGUMENT', 'identity must come from createTlsIdentity')
}
