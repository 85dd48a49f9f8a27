// Limits the memory of responses that clients have not read.

import type { IncomingMessage, ServerResponse } from 'node:http'

/** A connection of HTTP/1, or a stream of HTTP/2. */
interface Holder {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

/**
 * Limits the memory of responses whose octets are not shared. A client that does not read keeps them in
 * memory until its connection ends, and `node:http` does not end such a connection.
 */
export class UnreadAnswers {
  readonly #maxOctets: number
  /** The oldest first. */
  readonly #held = new Map<Holder, number>()
  #octets = 0

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets
  }

  /**
   * Must be called before the response is sent. If there are too many octets, the oldest connections or
   * streams are ended.
   */
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
