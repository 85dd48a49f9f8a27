// Rows in this process that are measured by CPU time, in turns: what neighbours take from the wall clock does
// not count.

import { medianOf } from './measure.ts'
import type { MeasureOptions, MeasuredRow } from './measure.ts'

/** One unit of work; a promise where the work waits for one. */
type Work = () => unknown

/** What is measured in turns. */
export interface CpuTurns {
  readonly name: string
  readonly ours: Work
  readonly peers: Readonly<Record<string, Work>>
  /** Units in one call of each work. Default 1. */
  readonly operations?: number
  /** Calls of each work in a turn. */
  readonly calls: number
  /** Turns before those that count. Default 8. */
  readonly warmUpTurns?: number
  /** Further figures of the medians in microseconds for one unit, ours by the name `ours`. */
  readonly extra?: (medians: Readonly<Record<string, number>>) => Readonly<Record<string, number>>
}

/** Measures a row: rounds of one turn for each contender. */
export async function measureCpuTurns(row: CpuTurns, options: MeasureOptions): Promise<MeasuredRow> {
  const { name, ours, peers, operations = 1, calls, warmUpTurns = 8, extra } = row
  const works = Object.entries({ ours, ...peers })
  for (let turn = 0; turn < warmUpTurns; turn++) for (const [, work] of works) await turnUs(work, calls)
  const rounds: Record<string, number>[] = []
  for (let round = 0; round < 3 * options.rounds; round++) {
    const times: Record<string, number> = {}
    for (const [peer, work] of works) times[peer] = (await turnUs(work, calls)) / operations
    rounds.push(times)
  }
  const median = (pick: (times: Record<string, number>) => number): number => medianOf(rounds.map(pick))
  const medians = Object.fromEntries(works.map(([peer]) => [peer, median((times) => times[peer]!)]))
  return {
    name,
    medianUs: medians['ours']!,
    ratios: Object.fromEntries(
      Object.keys(peers).map((peer) => [peer, median((times) => times[peer]! / times['ours']!)]),
    ),
    ...(extra === undefined ? {} : { extra: extra(medians) }),
  }
}

/** CPU time of one call: garbage collection and the threads of the platform are in it. */
async function turnUs(work: Work, calls: number): Promise<number> {
  const before = process.cpuUsage()
  for (let call = 0; call < calls; call++) await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}
