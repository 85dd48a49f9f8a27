// Standing in line for the processor. A thousand requests that come together would go through every step side by side, and all be answered at
// the end, with everything that they hold alive until then; in a line the first are answered while the last still wait.

/** So many at once, the others in the order of their coming. Whoever had to wait lets the event loop have a turn first: it has connections to serve. */
export class Turnstile {
  readonly #places: number
  readonly #waiting: (() => void)[] = []
  #taken = 0

  constructor(places: number) {
    this.#places = places
  }

  /** Undefined where there is a place at once. Whoever enters leaves, once. */
  enter(): Promise<void> | undefined {
    if (this.#taken >= this.#places) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#taken++
    return undefined
  }

  /** The place goes to the next in line. */
  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#taken--
    else setImmediate(next)
  }
}
