// A limit on concurrent work with a queue, so that of many requests that arrive together the first are
// answered while the others wait without using memory for their later steps.

/** Admits a number of entrants at once and queues the others in the order of their arrival. */
export class Turnstile {
  readonly #places: number
  readonly #waiting: (() => void)[] = []
  #taken = 0
  #opening = false

  constructor(places: number) {
    this.#places = places
  }

  /** Undefined if a place is free, else a promise for one. Each entrant calls `leave` once. */
  enter(): Promise<void> | undefined {
    if (this.#taken >= this.#places || this.#waiting.length > 0)
      return new Promise((resolve) => this.#waiting.push(resolve))
    this.#taken++
    return undefined
  }

  /**
   * Frees a place. Once half the places are free, waiting requests are admitted
   * as a group after one `setImmediate`, so that socket I/O can run. One
   * `setImmediate` per request would cost about 10 % of throughput.
   */
  leave(): void {
    this.#taken--
    if (this.#waiting.length === 0 || this.#opening || this.#taken > this.#places / 2) return
    this.#opening = true
    setImmediate(() => {
      this.#opening = false
      for (const enter of this.#waiting.splice(0, this.#places - this.#taken)) {
        this.#taken++
        enter()
      }
    })
  }
}
