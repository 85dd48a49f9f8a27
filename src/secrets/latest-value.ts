// A changing value that can be read, listened to, or followed as an async iterable.

/** The latest of a sequence of values. Slow consumers skip values. */
export class LatestValue<T> {
  #value: T | undefined
  #version = 0
  readonly #listeners = new Set<(value: T) => void>()

  /** undefined before the first `set`. */
  get value(): T | undefined {
    return this.#value
  }

  /**
   * Sets the value and calls every listener; the first error of a listener is thrown after all were called.
   */
  set(value: T): void {
    this.#value = value
    this.#version++
    const errors: unknown[] = []
    for (const listener of [...this.#listeners]) {
      try {
        listener(value)
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  /** Calls `listener` with each value from now on. Returns a function that stops the calls. */
  listen(listener: (value: T) => void): () => void {
    const own = (value: T): void => {
      listener(value)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** The current value, if there is one, then each later one. Ends when the signal aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen = 0
    while (!signal.aborted) {
      if (this.#version === seen) {
        await this.#changed(signal)
        continue
      }
      seen = this.#version
      yield this.#value as T
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        stop()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const stop = this.listen(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }
}
