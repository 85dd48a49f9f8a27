// A sort for a million items that does not block the event loop.

import type { Turns } from './turns.ts'

/** The items in order: short runs are sorted, then merged two by two. */
export async function sortInTurns<Item>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
  turns: Turns,
): Promise<Item[]> {
  let runs: Item[][] = []
  for (let at = 0; at < items.length; at += runLength) {
    runs.push(items.slice(at, at + runLength).sort(compare))
    await turns.give()
  }
  while (runs.length > 1) {
    const merged: Item[][] = []
    for (let at = 0; at < runs.length; at += 2)
      merged.push(await merge(runs[at] as Item[], runs[at + 1] ?? [], compare, turns))
    runs = merged
  }
  return runs[0] ?? []
}

async function merge<Item>(
  left: readonly Item[],
  right: readonly Item[],
  compare: (a: Item, b: Item) => number,
  turns: Turns,
): Promise<Item[]> {
  const out: Item[] = []
  let [i, j] = [0, 0]
  while (i < left.length || j < right.length) {
    const isLeft = j >= right.length || (i < left.length && compare(left[i] as Item, right[j] as Item) <= 0)
    out.push((isLeft ? left[i++] : right[j++]) as Item)
    if (out.length % runLength === 0) await turns.give()
  }
  return out
}

const runLength = 1024
