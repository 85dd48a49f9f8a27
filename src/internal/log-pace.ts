// How often a line is logged that an unauthenticated caller can cause.

/**
 * Limits a log to one line in ten seconds for each reason, because callers can connect thousands of times a
 * second.
 */
export class LogPace {
  readonly #clock: { monotonic(): number }
  /** For each reason the time of the last line, and the number of lines suppressed since. */
  readonly #last = new Map<string, { readonly atMs: number; unlogged: number }>()

  constructor(clock: { monotonic(): number }) {
    this.#clock = clock
  }

  /**
   * Fields for a line that may be logged: the number of suppressed lines of this reason, or none; undefined
   * if the line must be suppressed. Use few reasons, because each is stored.
   */
  due(reason: string): { readonly unlogged?: number } | undefined {
    const atMs = this.#clock.monotonic()
    const last = this.#last.get(reason)
    if (last !== undefined && atMs < last.atMs + quietMs) {
      last.unlogged++
      return undefined
    }
    this.#last.set(reason, { atMs, unlogged: 0 })
    const { unlogged = 0 } = last ?? {}
    return unlogged === 0 ? {} : { unlogged }
  }
}

const quietMs = 10_000
