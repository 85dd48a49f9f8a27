// Indexes of the memory store: by expiry, and by the last change of a revocation.

/** Items by the minute in which they expire: adding costs O(1), and removal visits only past minutes. */
export class ExpiryBuckets<Item> {
  readonly #buckets = new Map<number, { readonly item: Item; readonly atMs: number }[]>()
  #earliestMs = Infinity

  /** Keeps an item until `takeUntil` is called with `atMs` or later. */
  add(item: Item, atMs: number): void {
    const bucket = Math.floor(atMs / bucketMs)
    const held = this.#buckets.get(bucket)
    if (held === undefined) this.#buckets.set(bucket, [{ item, atMs }])
    else held.push({ item, atMs })
    this.#earliestMs = Math.min(this.#earliestMs, atMs)
  }

  /** Removes and returns every item that expires at `nowMs` or before. */
  takeUntil(nowMs: number): readonly Item[] {
    if (nowMs < this.#earliestMs) return []
    const taken: Item[] = []
    let earliestMs = Infinity
    for (const [bucket, held] of this.#buckets) {
      if (bucket * bucketMs > nowMs) {
        // A lower bound is enough: at most one extra visit for each bucket.
        earliestMs = Math.min(earliestMs, bucket * bucketMs)
        continue
      }
      const kept = held.filter(({ atMs }) => atMs > nowMs)
      for (const { item, atMs } of held) if (atMs <= nowMs) taken.push(item)
      if (kept.length === 0) this.#buckets.delete(bucket)
      else this.#buckets.set(bucket, kept)
      for (const { atMs } of kept) earliestMs = Math.min(earliestMs, atMs)
    }
    this.#earliestMs = earliestMs
    return taken
  }
}

/** Items in the order of their last change, readable from any change on. */
export class ChangeLog<Item extends { change: number }> {
  /** A slot whose number differs from that of its item is obsolete. */
  #slots: Slot<Item>[] = []
  /** The valid slots before `#copied`, while the log is compacted. */
  #kept: Slot<Item>[] | undefined
  #copied = 0
  #live = 0

  /** Moves an item to the end, under this number, which is greater than all before. */
  move(item: Item, change: number): void {
    if (item.change === 0) this.#live++
    item.change = change
    this.#slots.push({ change, item })
    this.#compact()
  }

  /** Removes an item. */
  remove(item: Item): void {
    item.change = 0
    this.#live--
    this.#compact()
  }

  /** The items that changed after `position`, in order. */
  *after(position: number): Generator<Item> {
    let at = 0
    let end = this.#slots.length
    while (at < end) {
      const middle = (at + end) >>> 1
      if ((this.#slots[middle]?.change ?? 0) <= position) at = middle + 1
      else end = middle
    }
    const slots = this.#slots
    for (; at < slots.length; at++) {
      const { change, item } = slots[at] as Slot<Item>
      if (item.change === change) yield item
    }
  }

  /**
   * Starts when half of the slots are obsolete. Each change copies a few slots, more than it can add, so no
   * change blocks the event loop for a time that depends on the length of the log.
   */
  #compact(): void {
    if (this.#kept === undefined) {
      if (this.#slots.length < 64 || this.#slots.length < this.#live * 2) return
      this.#kept = []
      this.#copied = 0
    }
    const stop = Math.min(this.#slots.length, this.#copied + slotsAChange)
    for (; this.#copied < stop; this.#copied++) {
      const slot = this.#slots[this.#copied] as Slot<Item>
      if (slot.item.change === slot.change) this.#kept.push(slot)
    }
    if (this.#copied < this.#slots.length) return
    this.#slots = this.#kept
    this.#kept = undefined
  }
}

interface Slot<Item> {
  readonly change: number
  readonly item: Item
}

/** Copied with each change while a log is compacted. */
const slotsAChange = 4
const bucketMs = 60_000
