// Bounds the octets of answers that clients have not taken.

import type { IncomingMessage, ServerResponse } from 'node:http'

/** A connection of HTTP/1, or a stream of HTTP/2. */
interface Holder {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

/**
 * For answers with octets of their own. A client that reads nothing keeps them for as long as its connection
 * lasts, and `node:http` ends no such connection.
 */
export class UnreadAnswers {
  readonly #maxOctets: number
  /** The oldest first. */
  readonly #held = new Map<Holder, number>()
  #octets = 0

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets
  }

  /** To be called before the answer is sent. Where there are too many octets, the oldest holders end. */
  add(request: IncomingMessage, response: ServerResponse, octets: number): void {
    const holder = holderOf(request)
    if (holder.destroyed || response.writableEnded) return
    const held = this.#held.get(holder)
    // Node closes no response that waits behind another one of its connection.
    if (held === undefined) holder.once('close', () => this.#forget(holder))
    this.#held.set(holder, (held ?? 0) + octets)
    this.#octets += octets
    response.once('close', () => this.#take(holder, octets))
    this.#endOldest(holder)
  }

  #endOldest(newest: Holder): void {
    for (const [holder, octets] of this.#held) {
      if (this.#octets <= this.#maxOctets) return
      if (octets === 0 || holder === newest) continue
      this.#forget(holder)
      holder.destroy()
    }
  }

  #take(holder: Holder, octets: number): void {
    const held = this.#held.get(holder)
    if (held === undefined) return
    this.#held.set(holder, held - octets)
    this.#octets -= octets
  }

  #forget(holder: Holder): void {
    this.#octets -= this.#held.get(holder) ?? 0
    this.#held.delete(holder)
  }
}

function holderOf(request: IncomingMessage): Holder {
  const { stream } = request as { readonly stream?: Holder }
  return stream ?? request.socket
}
