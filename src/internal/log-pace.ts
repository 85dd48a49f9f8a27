// How often a line is logged that an unauthenticated caller can cause.

/** One line in ten seconds for each reason: callers can connect thousands of times a second. */
export class LogPace {
  readonly #clock: { monotonic(): number }
  /** By reason: when the last line was logged, and how many were not since. */
  readonly #last = new Map<string, { readonly atMs: number; unlogged: number }>()

  constructor(clock: { monotonic(): number }) {
    this.#clock = clock
  }

  /**
   * Fields for the line that is due: empty, or how many of this reason were not logged since the last one.
   * Undefined where none is due. The reasons must be few: each is remembered.
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
