// Bounds the requests that are being answered at once.

/**
 * Places for requests in progress. One source may have at most half of them, so that one client cannot block
 * all others.
 */
export class Places {
  readonly #places: number
  readonly #perSource: number
  readonly #taken = new Map<string, number>()
  #total = 0

  constructor(places: number) {
    this.#places = places
    this.#perSource = Math.ceil(places / 2)
  }

  /** Takes a place; false if none is free. */
  take(source: string): boolean {
    const taken = this.#taken.get(source) ?? 0
    if (this.#total >= this.#places || taken >= this.#perSource) return false
    this.#taken.set(source, taken + 1)
    this.#total++
    return true
  }

  giveBack(source: string): void {
    const left = (this.#taken.get(source) ?? 1) - 1
    if (left === 0) this.#taken.delete(source)
    else this.#taken.set(source, left)
    this.#total--
  }
}
