// Streams take turns when they have something to send: a change of a root reaches ten thousand streams
// without blocking the event loop.

/** An object that can send. */
export interface Pusher {
  push(): void
}

/**
 * Calls `push` of each once, some per turn of the event loop; changes in the same turn are sent together.
 */
export class PushTurn {
  #round = new Set<Pusher>()
  /** The streams of this round that have not had their turn. */
  #rest = this.#round.values()
  /** The streams of the next round. */
  #waiting = new Set<Pusher>()
  #scheduled = false

  add(pusher: Pusher): void {
    this.#waiting.add(pusher)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#next)
  }

  delete(pusher: Pusher): void {
    this.#waiting.delete(pusher)
    this.#round.delete(pusher)
  }

  readonly #next = (): void => {
    for (let left = perTurn; left > 0; left--) {
      const { done, value } = this.#rest.next()
      if (done !== true) value.push()
      else if (!this.#begin()) return
    }
    setImmediate(this.#next)
  }

  /** The next round; false if nothing is waiting. */
  #begin(): boolean {
    this.#round = this.#waiting
    this.#rest = this.#round.values()
    this.#waiting = new Set()
    this.#scheduled = this.#round.size > 0
    return this.#scheduled
  }
}

/** Together a few milliseconds: every turn makes each HTTP/2 session write once more. */
const perTurn = 512
