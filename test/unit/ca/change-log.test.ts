// The log of changes of the memory store: no change costs more than a few slots, however long the log is.

import { expect, it } from 'vitest'
import { ChangeLog } from '../../../src/ca/records/memory/memory-indexes.ts'

/** Counts how often its number is read. */
class Counted {
  static reads = 0
  readonly name: number
  #change = 0

  constructor(name: number) {
    this.name = name
  }

  get change(): number {
    Counted.reads++
    return this.#change
  }

  set change(change: number) {
    this.#change = change
  }
}

it('looks at a bounded number of slots for each change', () => {
  const log = new ChangeLog<Counted>()
  const items = Array.from({ length: 20_000 }, (_, name) => new Counted(name))
  let [change, most] = [0, 0]
  const counted = (perform: () => void): void => {
    const before = Counted.reads
    perform()
    most = Math.max(most, Counted.reads - before)
  }
  for (let round = 0; round < 5; round++) for (const item of items) counted(() => log.move(item, ++change))
  for (const item of items.slice(0, 15_000)) counted(() => log.remove(item))
  expect(most).toBeLessThanOrEqual(8)
  expect([...log.after(0)].map(({ name }) => name)).toEqual(items.slice(15_000).map(({ name }) => name))
})

it('is as long as at most a few times what it has, and stays in order while it is compacted', () => {
  const log = new ChangeLog<Counted>()
  const items = Array.from({ length: 100 }, (_, name) => new Counted(name))
  const order = new Map<Counted, number>()
  for (let change = 1; change <= 5_000; change++) {
    const item = items[(change * 37) % 100]!
    if (change % 11 === 0 && order.has(item)) {
      log.remove(item)
      order.delete(item)
    } else {
      log.move(item, change)
      order.set(item, change)
    }
    const expected = [...order].sort(([, one], [, other]) => one - other).map(([{ name }]) => name)
    const before = Counted.reads
    expect([...log.after(0)].map(({ name }) => name)).toEqual(expected)
    // One read for each slot.
    expect(Counted.reads - before).toBeLessThanOrEqual(400)
    const middle = Math.floor(expected.length / 2)
    const [, at = 0] = [...order].find(([{ name }]) => name === expected[middle]) ?? []
    expect([...log.after(at)].map(({ name }) => name)).toEqual(expected.slice(middle + 1))
  }
})
