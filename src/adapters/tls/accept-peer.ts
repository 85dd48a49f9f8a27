// Verifies the peer after a handshake: registers the connection, or destroys the socket.

import type { TLSSocket } from 'node:tls'
import { PkiError, isPkiError } from '../../errors/index.ts'
import type { SpiffeIdMatcher } from '../../spiffe/index.ts'
import type { Certificate } from '../../x509/index.ts'
import type { LiveConnection, TlsPeerIdentity } from './connection-registry.ts'
import type { PeerPurpose, PeerVerifier } from './peer-verifier.ts'
import type { SourceTlsIdentity } from './tls-identity.ts'

/** The requirements for the peer of a connection. */
export interface AcceptOptions {
  readonly authorize: SpiffeIdMatcher
  readonly purpose: PeerPurpose
  /** The chain stored with the session that the connection resumes. */
  readonly remembered?: readonly Certificate[] | undefined
}

/**
 * Verifies the peer of a socket whose handshake has just finished, synchronously, before any application data
 * is read or written. A refused socket is destroyed with the reason.
 */
export function acceptPeer(
  identity: SourceTlsIdentity,
  socket: TLSSocket,
  options: AcceptOptions,
): TlsPeerIdentity | PkiError {
  const { authorize, purpose, remembered } = options
  let peer: TlsPeerIdentity
  try {
    identity.requireOpen()
    const chain = identity.verifier.presentedChain(socket, remembered)
    peer = identity.verifier.verify(chain, purpose, authorize)
  } catch (error) {
    const reason = asPkiError(error)
    identity.logger.warn(
      { address: socket.remoteAddress, code: reason.code, reason: reason.message },
      'TLS peer refused',
    )
    return reason
  }
  peers.set(socket, peer)
  // HTTP/2 returns a Proxy in place of its socket: it forwards properties, but is another object.
  if (socket.alpnProtocol === 'h2') Object.defineProperty(socket, behindProxy, { value: socket })
  identity.connections.add(new AcceptedConnection(socket, peer, identity.verifier, options))
  return peer
}

class AcceptedConnection implements LiveConnection {
  readonly socket: TLSSocket
  readonly peer: TlsPeerIdentity
  readonly #verifier: PeerVerifier
  readonly #options: AcceptOptions

  constructor(socket: TLSSocket, peer: TlsPeerIdentity, verifier: PeerVerifier, options: AcceptOptions) {
    this.socket = socket
    this.peer = peer
    this.#verifier = verifier
    this.#options = options
  }

  recheck(): PkiError | undefined {
    const { purpose, authorize } = this.#options
    try {
      this.#verifier.verify(this.peer.chain, purpose, authorize)
      return undefined
    } catch (error) {
      return asPkiError(error)
    }
  }

  close(reason: PkiError): void {
    this.socket.destroy(reason)
  }
}

/**
 * The verified peer of a TLS socket of this adapter: of `request.socket`, or of `session.socket` in HTTP/2.
 * Undefined for a socket whose peer this adapter did not verify.
 *
 * @example
 * ```ts
 * createHttpsServer(identity, { authorize: match.memberOf('example.org') }, (request, response) => {
 *   response.end(`hello, ${peerOf(request.socket)?.id}`)
 * })
 * ```
 */
export function peerOf(socket: object): TlsPeerIdentity | undefined {
  return peers.get(socket) ?? peers.get(realSocketOf(socket))
}

/** The socket behind the Proxy of an HTTP/2 session; any other is its own. */
export function realSocketOf(socket: object): object {
  // Middleware passes the value that a framework calls the socket, which is undefined for some requests.
  return (Object(socket) as { readonly [behindProxy]?: object })[behindProxy] ?? socket
}

function asPkiError(error: unknown): PkiError {
  if (isPkiError(error)) return error
  return new PkiError('ERR_TLS_PEER', `the peer cannot be verified: ${String(error)}`, { cause: error })
}

/** Keyed by socket and released with it: not state shared between calls. */
const peers = new WeakMap<object, TlsPeerIdentity>()

const behindProxy: unique symbol = Symbol('socket')
