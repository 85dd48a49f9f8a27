// Long work in slices, so that other callbacks of the event loop run in between.

/**
 * Counts the time of one piece of work on this thread, and gives the event loop a turn when a slice is
 * over.
 */
export class Turns {
  readonly #sliceMs: number
  #startMs = performance.now()

  /** @param sliceMs How long the work may hold the event loop at a time. */
  constructor(sliceMs = 8) {
    this.#sliceMs = sliceMs
  }

  /** To be awaited between steps, each far shorter than a slice; resolves after one turn where it is due. */
  async give(): Promise<void> {
    if (performance.now() - this.#startMs >= this.#sliceMs) await this.wait()
  }

  /** One turn of the event loop, due or not: before a step that takes a slice by itself. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    this.#startMs = performance.now()
  }
}
