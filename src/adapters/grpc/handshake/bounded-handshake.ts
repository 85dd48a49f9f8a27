// A connected socket as the stream under TLS, which passes on only so many octets before the handshake ends.

import type { Socket } from 'node:net'

/** The limit of one handshake. */
export interface HandshakeBound {
  /** The greatest number of octets of the peer before the end of its handshake. */
  readonly maxOctets: number
  /** Whether the handshake has ended. */
  readonly isSecure: () => boolean
  /** Called with the octets received, instead of passing on one too many. It must destroy the socket. */
  readonly exceeded: (octets: number) => void
}

/**
 * OpenSSL takes 100 KiB of certificates and verifies each signature inside the handshake, before any
 * JavaScript runs. It begins with the last octet of the Certificate message (RFC 8446 §4.4.2), so a bound on
 * the octets that reach it bounds that work.
 *
 * Over a `net.Socket` Node's TLS reads without JavaScript, and over any other stream by its `data` events.
 * This has the part of a `Duplex` that Node then uses. A `Duplex` has two queues of its own, which would
 * double the cost; here the socket is the only queue, and its callbacks are the backpressure: TLS sends
 * nothing more before the octets of its last write have left the process.
 */
export class BoundedHandshake {
  /** TLS ends its own side when the peer has ended. */
  readonly allowHalfOpen = false
  readonly readable = true
  readonly writable = true
  readonly readableObjectMode = false
  readonly #socket: Socket
  readonly #bound: HandshakeBound
  #octets = 0

  constructor(socket: Socket, bound: HandshakeBound) {
    this.#socket = socket
    this.#bound = bound
    // At the end of the peer, the socket must still take what TLS answers, as the one that TLS reads itself.
    socket.allowHalfOpen = true
  }

  on(event: string, listener: Receive): this {
    this.#socket.on(event, event === 'data' ? this.#counted(listener) : listener)
    return this
  }

  once(event: string, listener: () => void): this {
    this.#socket.once(event, listener)
    return this
  }

  pause(): this {
    this.#socket.pause()
    return this
  }

  resume(): this {
    this.#socket.resume()
    return this
  }

  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  write(part: Uint8Array, written: (error?: Error | null) => void): boolean {
    if (this.#socket.writable) return this.#socket.write(part, written)
    setImmediate(written) // the socket has ended: TLS learns that from its close
    return false
  }

  end(ended: () => void): void {
    this.#socket.end(ended)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** TLS processes octets as it gets them: those behind the end of the handshake are not counted. */
  #counted(receive: Receive): Receive {
    const { maxOctets, isSecure, exceeded } = this.#bound
    const socket = this.#socket
    const count = (octets: Buffer): void => {
      const room = maxOctets - this.#octets
      this.#octets += octets.length
      receive(octets.length <= room ? octets : octets.subarray(0, room))
      if (isSecure()) {
        socket.off('data', count)
        socket.on('data', receive)
        if (octets.length > room) receive(octets.subarray(room))
      } else if (octets.length > room && !socket.destroyed) exceeded(this.#octets)
    }
    return count
  }
}

type Receive = (octets: Buffer) => void
