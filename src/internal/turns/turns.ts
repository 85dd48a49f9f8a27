// Long work in slices, so that other callbacks of the event loop run in between.

/**
 * Measures the time of one piece of work on this thread, and yields to the event loop when a time slice has
 * passed.
 */
export class Turns {
  readonly #sliceMs: number
  #startMs = performance.now()

  /** @param sliceMs How long the work may block the event loop at a time. */
  constructor(sliceMs = 8) {
    this.#sliceMs = sliceMs
  }

  /**
   * Must be awaited between steps, each much shorter than a slice; yields for one turn if the slice has
   * passed.
   */
  async give(): Promise<void> {
    if (performance.now() - this.#startMs >= this.#sliceMs) await this.wait()
  }

  /** Yields for one turn of the event loop in any case: before a step that takes a whole slice. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    this.#startMs = performance.now()
  }
}
