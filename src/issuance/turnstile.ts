// Standing in line for the processor. A thousand requests that come together would go through every step side by side, and all be answered at
// the end, with everything that they hold alive until then; in a line the first are answered while the last still wait.

/** So many at once, the others in the order of their coming. */
export class Turnstile {
  readonly #places: number
  readonly #waiting: (() => void)[] = []
  #taken = 0
  #opening = false

  constructor(places: number) {
    this.#places = places
  }

  /** Undefined where there is a place at once. Whoever enters leaves, once. */
  enter(): Promise<void> | undefined {
    if (this.#taken >= this.#places || this.#waiting.length > 0)
      return new Promise((resolve) => this.#waiting.push(resolve))
    this.#taken++
    return undefined
  }

  /**
   * Frees the place. When half of them are free, those in line are let in together: first the event loop has a turn, for it has connections to
   * serve, and a turn for each of them would cost a tenth of the work.
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
