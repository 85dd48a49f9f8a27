// What is known of each live TLS connection: a call finds its own by the address of its peer.

import type { TLSSocket } from 'node:tls'
import type { TlsPeer } from '../../auth/index.ts'
import { peerCertificates } from '../../x509/index.ts'

/**
 * The TLS peers of one listener. The chain is read once a connection, not once a call: `node:tls` makes a large object each time.
 *
 * A peer's address and port name one connection as long as the server has one address. Behind a wildcard address two connections may
 * share them (one client port to two addresses of ours): such a pair gets no peer at all, which denies.
 */
export class ConnectionRegistry {
  readonly #peers = new Map<string, TlsPeer[]>()

  /** Registers a connection after its handshake. @throws as `Certificate.parse`, for a chain that is no strict DER */
  add(socket: TLSSocket): void {
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || remotePort === undefined) return
    const key = `${remoteAddress}:${remotePort}`
    const presentedChain = peerCertificates(socket)
    const peer: TlsPeer = { presentedChain, verifiedChain: socket.authorized ? presentedChain : [] }
    const sharing = this.#peers.get(key)
    if (sharing === undefined) this.#peers.set(key, [peer])
    else sharing.push(peer)
    socket.once('close', () => {
      const left = this.#peers.get(key)?.filter((other) => other !== peer) ?? []
      if (left.length === 0) this.#peers.delete(key)
      else this.#peers.set(key, left)
    })
  }

  /** The TLS peer of the connection from `address:port`. */
  find(peerAddress: string): TlsPeer | undefined {
    const sharing = this.#peers.get(peerAddress)
    return sharing?.length === 1 ? sharing[0] : undefined
  }

  /** Live connections. */
  get size(): number {
    let size = 0
    for (const sharing of this.#peers.values()) size += sharing.length
    return size
  }
}
