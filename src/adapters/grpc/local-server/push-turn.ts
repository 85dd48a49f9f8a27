// Streams take turns when they have something to send: a change of a root reaches ten thousand streams
// without blocking the event loop.

/** An object that can send. */
export interface Pusher {
  push(): void
}

/**
 * Calls `push` of each once, a few per turn of the event loop; changes in the same turn are sent together.
 */
export class PushTurn {
  readonly #waiting = new Set<Pusher>()
  #scheduled = false

  add(pusher: Pusher): void {
    this.#waiting.add(pusher)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#next)
  }

  delete(pusher: Pusher): void {
    this.#waiting.delete(pusher)
  }

  readonly #next = (): void => {
    let count = 0
    for (const pusher of this.#waiting) {
      this.#waiting.delete(pusher)
      pusher.push()
      if (++count >= perTurn) break
    }
    this.#scheduled = this.#waiting.size > 0
    if (this.#scheduled) setImmediate(this.#next)
  }
}

const perTurn = 256
