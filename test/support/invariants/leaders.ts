// I9: what the leaders of several processes wrote.

import type { CaStorage } from '../../../src/ca/index.ts'
import type { Deed } from '../leader-process.ts'
import type { Holds } from './left-behind.ts'

/**
 * Never two numbers or indexes alike, a higher one is never of an earlier epoch, and a list that was signed
 * now has the highest.
 */
export async function checkEpochs(deeds: readonly Deed[], storage: CaStorage, holds: Holds): Promise<void> {
  const lists = deeds
    .flatMap((deed) => (deed.kind === 'list' ? [{ ...deed, number: BigInt(deed.number) }] : []))
    .toSorted((a, b) => (a.number < b.number ? -1 : 1))
  lists.forEach(({ number, epoch }, at) => {
    const before = lists[at - 1]
    if (before === undefined) return
    holds(number > before.number, `I7: two lists have the number ${number}`)
    holds(epoch >= before.epoch, `I9: list ${number} is of epoch ${epoch}, after one of ${before.epoch}`)
  })
  const [now] = await storage.crls.list()
  const last = lists.at(-1)?.number ?? 0n
  holds((now?.number ?? 0n) > last, `I7: the list after ${last} has the number ${String(now?.number)}`)
  const sequenced = deeds
    .flatMap((deed) => (deed.kind === 'sequenced' ? [deed] : []))
    .toSorted((a, b) => a.from - b.from)
  sequenced.forEach(({ from, epoch }, at) => {
    const before = sequenced[at - 1]
    if (before === undefined) return
    holds(from >= before.from + before.count, `I8: two audit entries have the index ${from}`)
    holds(epoch >= before.epoch, `I9: entry ${from} is of epoch ${epoch}, after one of ${before.epoch}`)
  })
}
