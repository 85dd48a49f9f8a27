// Measures rows: every contender gets a short turn, round after round, so that a noisy neighbour disturbs all
// alike.

import { Bench } from 'tinybench'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

/** A measured row. */
export interface MeasuredRow {
  readonly name: string
  /** Median over the rounds, in microseconds per operation. */
  readonly medianUs: number
  /** How many times as fast as the named one: the median of the rounds' own ratios. */
  readonly ratios: Readonly<Record<string, number>>
  readonly extra?: Readonly<Record<string, number>>
}

/** How long to measure. */
export interface MeasureOptions {
  readonly rounds: number
  /** Milliseconds that a contender gets in a round. */
  readonly turnMs: number
  /** Milliseconds of work before the first round, so that the compiler has optimised what is measured. */
  readonly warmUpMs: number
  /** A quick look: rows of a million records take fewer. */
  readonly short: boolean
  /** Rows over processes: also measure Go's crypto/x509. */
  readonly go?: boolean
  /** Rows over processes: the Node executable to measure. Default: this one. */
  readonly node?: string | undefined
}

export const fullMeasure: MeasureOptions = { rounds: 9, turnMs: 250, warmUpMs: 500, short: false }
export const shortMeasure: MeasureOptions = { rounds: 7, turnMs: 60, warmUpMs: 500, short: true }

/** Runs a row to its end. */
export async function measureRow(
  row: BenchRow | SelfMeasuredRow,
  options: MeasureOptions,
): Promise<MeasuredRow> {
  if ('measure' in row) return row.measure(options)
  await row.setup?.()
  try {
    const names = Object.keys(row.peers)
    for (const work of [row.ours, ...Object.values(row.peers)]) await warmUp(work, options.warmUpMs)
    const rounds: Record<string, number>[] = []
    for (let round = 0; round < options.rounds; round++) rounds.push(await measureRound(row, options))
    const operations = row.operations ?? 1
    const median = (pick: (times: Record<string, number>) => number): number => medianOf(rounds.map(pick))
    const extra = await row.extra?.()
    return {
      name: row.name,
      medianUs: median((times) => times[ours]!) / operations,
      ratios: Object.fromEntries(
        names.map((name) => [
          name,
          median((times) => (times[name]! * (row.scale?.[name] ?? 1)) / times[ours]!),
        ]),
      ),
      ...(extra === undefined ? {} : { extra }),
    }
  } finally {
    await row.teardown?.()
  }
}

async function warmUp(work: () => unknown, durationMs: number): Promise<void> {
  const end = performance.now() + durationMs
  while (performance.now() < end) await work()
}

/** Microseconds per call of each contender in one round. */
async function measureRound(
  row: BenchRow,
  { turnMs, short }: MeasureOptions,
): Promise<Record<string, number>> {
  const bench = new Bench({
    time: turnMs,
    // For work that takes longer than a turn.
    iterations: short ? 1 : 3,
    warmupTime: turnMs / 5,
    warmupIterations: short ? 1 : 2,
    throws: true,
  })
  bench.add(ours, row.ours)
  for (const [name, work] of Object.entries(row.peers)) bench.add(name, work)
  await bench.run()
  return Object.fromEntries(
    bench.tasks.map((task) => {
      if (!('latency' in task.result)) throw new Error(`${row.name}: ${task.name} was not measured`)
      return [task.name, task.result.latency.p50 * 1000]
    }),
  )
}

/** The middle value; of an even count, the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const ours = 'ours'
