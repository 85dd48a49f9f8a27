// A map of bounded size that evicts the least recently used entry.

/** At most `maxEntries` entries, ordered by their last use. */
export class LruMap<Key, Value> {
  readonly #entries = new Map<Key, Value>()
  readonly #maxEntries: number
  readonly #mayEvict: (value: Value) => boolean

  /** `mayEvict` returns false for a value that is in use and must stay. */
  constructor(maxEntries: number, mayEvict: (value: Value) => boolean = () => true) {
    this.#maxEntries = maxEntries
    this.#mayEvict = mayEvict
  }

  get size(): number {
    return this.#entries.size
  }

  /** The value, which is now the one used last. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key)
    if (value === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return value
  }

  /** The value; its place in the order stays. */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  /**
   * Sets the value. Returns the evicted values; undefined, without setting the value, if every entry is in
   * use.
   */
  set(key: Key, value: Value): readonly Value[] | undefined {
    const evicted: Value[] = []
    if (!this.#entries.has(key) && this.#entries.size >= this.#maxEntries) {
      const oldest = this.#oldest()
      if (oldest === undefined) return undefined
      this.#entries.delete(oldest[0])
      evicted.push(oldest[1])
    }
    this.#entries.delete(key)
    this.#entries.set(key, value)
    return evicted
  }

  delete(key: Key): boolean {
    return this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }

  entries(): IterableIterator<[Key, Value]> {
    return this.#entries.entries()
  }

  #oldest(): readonly [Key, Value] | undefined {
    for (const entry of this.#entries) if (this.#mayEvict(entry[1])) return entry
    return undefined
  }
}
