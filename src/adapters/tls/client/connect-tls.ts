// A TLS client that sends and delivers no data before the server is verified and authorized.

import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { PkiError } from '../../../errors/index.ts'
import type { SpiffeIdMatcher } from '../../../spiffe/index.ts'
import type { Certificate } from '../../../x509/index.ts'
import { acceptPeer, peerOf } from '../accept-peer.ts'
import { gateClient } from './client-gate.ts'
import type { SourceTlsIdentity } from '../tls-identity.ts'

/**
 * A resumable session with the chain of its full handshake, because a resumed handshake does not contain the
 * chain.
 */
interface KeptSession {
  readonly session: Buffer
  readonly chain: readonly Certificate[]
  /** The change of the identity before its connection began: a later one ends the session. */
  readonly change: number
}

/** Sessions by address, for one identity and one authorization. */
export class SessionCache {
  readonly #sessions = new Map<string, KeptSession>()
  readonly #max: number

  constructor(max = 100) {
    this.#max = max
  }

  /**
   * A session serves every connection until the server issues another: Node's servers issue no session when
   * they resume one, so using each session once would make every second handshake a full one. An observer of
   * the network can therefore link connections of one client (RFC 8446 §C.4). Sessions from before a change
   * of the own certificate or the roots are not used, because the server would still see the old certificate.
   */
  get(address: string, change: number): KeptSession | undefined {
    const kept = this.#sessions.get(address)
    if (kept === undefined || kept.change === change) return kept
    this.#sessions.delete(address)
    return undefined
  }

  /**
   * Removes a session after a failed handshake or a refused server, unless another session has replaced it.
   */
  drop(address: string, kept: KeptSession): void {
    if (this.#sessions.get(address) === kept) this.#sessions.delete(address)
  }

  keep(address: string, kept: KeptSession): void {
    if (this.#max === 0) return
    this.#sessions.delete(address)
    this.#sessions.set(address, kept)
    if (this.#sessions.size <= this.#max) return
    for (const [oldest] of this.#sessions) {
      this.#sessions.delete(oldest)
      return
    }
  }
}

/**
 * Connects. Data written before `secureConnect` is queued; if the server is refused, the socket is destroyed
 * and the queued data is never sent.
 */
export function connectGuarded(
  identity: SourceTlsIdentity,
  authorize: SpiffeIdMatcher,
  sessions: SessionCache,
  options: ConnectionOptions,
): TLSSocket {
  const { host = '', port, path = '', servername = '' } = options
  const address = `${host}|${String(port)}|${path}|${servername}`
  const { change } = identity
  const kept = sessions.get(address, change)
  const socket = connect({
    ...options,
    secureContext: identity.secureContext(),
    // OpenSSL cannot check SPIFFE IDs or bundles; the verification below does, before any data is sent.
    rejectUnauthorized: false,
    checkServerIdentity: acceptPeerLater,
  })
  if (kept !== undefined) resume(socket, kept.session)
  gateClient(socket, () => {
    const outcome = acceptPeer(identity, socket, {
      authorize,
      purpose: 'serverAuth',
      remembered: kept?.chain,
    })
    if (kept !== undefined && outcome instanceof PkiError) sessions.drop(address, kept)
    return outcome
  })
  if (kept !== undefined)
    socket.on('close', () => {
      // A handshake that fails ends without a verdict.
      if (peerOf(socket) === undefined) sessions.drop(address, kept)
    })
  socket.on('session', (session: Buffer) => {
    const peer = peerOf(socket)
    if (peer !== undefined && identity.change === change)
      sessions.keep(address, { session, chain: peer.chain, change })
  })
  return socket
}

/**
 * Sets the session before the ClientHello. As an option of `connect`, Node would parse it twice, with its
 * certificate: a tenth of a resumed connection.
 */
function resume(socket: TLSSocket, session: Buffer): void {
  socket.prependOnceListener('connect', () => {
    try {
      ;(socket as TLSSocket & { setSession(session: Buffer): void }).setSession(session)
    } catch {
      // A full handshake follows.
    }
  })
}

const acceptPeerLater = (): undefined => undefined
