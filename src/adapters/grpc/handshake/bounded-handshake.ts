// A connected socket as the stream below TLS: octets of the peer are checked before OpenSSL gets them, and
// are passed to TLS in small parts.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { HandshakeFault } from './certificate-message.ts'
import { TurnLine } from '../../../internal/turns/turn-lines.ts'
import { HandshakeReader, recordLength } from './handshake-reader.ts'
import type { Side } from './handshake-reader.ts'

/** The limits of one handshake. */
export interface HandshakeBound {
  /** The role of the peer. */
  readonly peer: Side
  /** Maximum number of octets from the peer before the end of the handshake. */
  readonly maxOctets: number
  /**
   * Called with the number of octets received when it exceeds the maximum; they are not passed on. It must
   * destroy the socket.
   */
  readonly exceeded: (octets: number) => void
  /**
   * Called for certificates or other octets that are refused; they are not passed on. It must destroy the
   * socket.
   */
  readonly refused: (fault: HandshakeFault) => void
}

/**
 * OpenSSL accepts 100 KiB of certificates, imports each key and verifies each signature inside the handshake,
 * before any JavaScript runs. It begins this work when it gets the last octet of the Certificate message (RFC
 * 8446 §4.4.2). This class passes that octet on only after it has checked the certificates.
 *
 * Node's TLS reads a `net.Socket` without JavaScript, and any other stream by its `data` events. This class
 * implements the part of `Duplex` that Node then uses. A real `Duplex` has two queues of its own, which would
 * double the cost. Here the socket is the only queue, and its write callbacks are the backpressure: TLS sends
 * no more data before the octets of its last write have left the process.
 *
 * TLS and HTTP/2 process everything that they receive in one turn of the event loop, and one read of a socket
 * can return 64 KiB of small frames. After the handshake, at most 16 KiB of a connection are passed on in
 * each turn.
 */
export class BoundedHandshake {
  /** With false, TLS ends its own side when the peer has ended. */
  readonly allowHalfOpen = false
  readonly readable = true
  readonly writable = true
  readonly readableObjectMode = false
  readonly #socket: Socket
  readonly #bound: HandshakeBound
  readonly #reader: HandshakeReader
  #isSecure = false
  #hasPassedChain = false
  /** The number of octets passed to TLS during the handshake. */
  #passed = 0
  /** Received octets that were not passed on yet. */
  #rest: Buffer = nothing
  /** Whether passing on the next record or part is scheduled. */
  #isWaiting = false
  /** Whether TLS reads data, as set by `pause` and `resume`. */
  #isFlowing = false
  /** The listener of `end`, called after the last octets were passed on. */
  #ended: (() => void) | undefined

  constructor(socket: Socket, bound: HandshakeBound) {
    this.#socket = socket
    this.#bound = bound
    this.#reader = new HandshakeReader(bound.peer)
    // After the peer has ended, TLS must still be able to write its answer, as on a socket that it reads
    // itself.
    socket.allowHalfOpen = true
  }

  /** Must be called for each `keylog` event of the TLS socket over this stream. */
  keylog(line: Buffer, above: Pick<TLSSocket, 'getCipher'>): void {
    this.#reader.keylog(line, above)
  }

  /** Must be called at the end of the handshake. */
  secured(): void {
    this.#isSecure = true
  }

  on(event: string, listener: Receive): this {
    this.#socket.on(event, event === 'data' ? (octets: Buffer) => this.#take(octets, listener) : listener)
    return this
  }

  once(event: string, listener: () => void): this {
    this.#socket.once(event, () => {
      // `end` is reported after the last octets were passed on.
      if (event === 'end' && this.#isWaiting) this.#ended = listener
      else listener()
    })
    return this
  }

  pause(): this {
    this.#isFlowing = false
    this.#socket.pause()
    return this
  }

  resume(): this {
    this.#isFlowing = true
    if (!this.#isWaiting || !this.#isSecure) this.#socket.resume()
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
    setImmediate(written) // the socket has ended; its `close` event reports that to TLS
    return false
  }

  end(ended: () => void): void {
    this.#socket.end(ended)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #take(octets: Buffer, receive: Receive): void {
    const isFirst = !this.#isWaiting && this.#rest.length === 0
    if (this.#isSecure && isFirst && octets.length <= partOctets) {
      receive(octets)
      return
    }
    this.#rest = this.#rest.length === 0 ? octets : Buffer.concat([this.#rest, octets])
    if (!this.#isWaiting) this.#pass(receive)
  }

  #pass(receive: Receive): void {
    if (this.#socket.destroyed) this.#rest = nothing
    else if (this.#isSecure) this.#passPart(receive)
    else this.#passRecord(receive)
    if (this.#isWaiting) return
    if (this.#isFlowing) this.#socket.resume()
    const ended = this.#ended
    this.#ended = undefined
    ended?.()
  }

  /**
   * Passes on one record, and the next one in a microtask. A handshake that fails destroys its TLS socket,
   * but Node removes the handle of that socket in a microtask: data that it decrypts until then would end
   * the process by an uncaught RangeError.
   */
  #passRecord(receive: Receive): void {
    const record = this.#takeRecord()
    if (record === undefined) return
    this.#isWaiting = true
    const pass = (): void => {
      if (!this.#socket.destroyed) receive(record)
      queueMicrotask(() => this.#passNext(receive))
    }
    if (this.#reader.hasChain && !this.#hasPassedChain) {
      this.#hasPassedChain = true
      chains.add(pass)
    } else pass()
  }

  /** Passes on one part, and the next one in the next turn of the event loop. */
  #passPart(receive: Receive): void {
    const part = this.#rest.subarray(0, partOctets)
    if (part.length === 0) return
    this.#rest = this.#rest.subarray(part.length)
    if (this.#rest.length > 0) {
      this.#isWaiting = true
      this.#socket.pause()
      setImmediate(() => this.#passNext(receive))
    }
    receive(part)
  }

  #passNext(receive: Receive): void {
    this.#isWaiting = false
    this.#pass(receive)
  }

  /** The next record; undefined if it is incomplete, above the limit, or refused. */
  #takeRecord(): Buffer | undefined {
    const { maxOctets, exceeded, refused } = this.#bound
    const length = recordLength(this.#rest)
    if (typeof length === 'object') refused(length)
    else if (length === undefined || length > this.#rest.length || this.#passed + length > maxOctets) {
      const received = this.#passed + this.#rest.length
      if (received > maxOctets) exceeded(received)
    } else {
      const record = this.#rest.subarray(0, length)
      const fault = this.#reader.isDone ? undefined : this.#reader.read(record)
      if (fault === undefined) {
        this.#passed += length
        this.#rest = this.#rest.subarray(length)
        return record
      }
      refused(fault)
    }
    return undefined
  }
}

type Receive = (octets: Buffer) => void

/** OpenSSL gets one chain in a turn of the event loop: nine certificates of P-521 take it 22 ms. */
const chains = new TurnLine(1)
const nothing = Buffer.alloc(0)
/** The maximum length of a TLS record (RFC 8446 §5.1). */
const partOctets = 16 * 1024
