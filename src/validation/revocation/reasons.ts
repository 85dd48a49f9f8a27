// Collects the reasons of several sources for an unknown status, without dropping any.

/** Reasons without duplicates, in the order in which they were found. */
export class Reasons {
  readonly #found = new Set<string>()

  /** Adds the reason of another source without an answer. */
  add(reason: string): void {
    this.#found.add(reason)
  }

  /** Whether no source could have answered. */
  get isEmpty(): boolean {
    return this.#found.size === 0
  }

  /** The first eight in one line, separated by `joint`. */
  join(joint: string): string {
    const all = [...this.#found]
    const more = all.length > maxShown ? `${joint}${all.length - maxShown} more` : ''
    return all.slice(0, maxShown).join(joint) + more
  }
}

const maxShown = 8
