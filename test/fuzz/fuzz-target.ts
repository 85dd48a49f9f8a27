// Runs one target: nothing but a PkiError, nothing over 50 ms, memory flat.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isPkiError } from '../../src/errors/index.ts'
import { SeededRandom } from './random.ts'
import type { FuzzTarget } from './targets.ts'

/** What came of it. */
export interface FuzzReport {
  readonly name: string
  readonly runs: number
  readonly accepted: number
  readonly refused: Readonly<Record<string, number>>
  readonly slowestMs: number
  /** Heap and array buffers after the runs less before them, garbage collected, in KiB. */
  readonly growthKib: number
  readonly findings: readonly FuzzFinding[]
}

/** One input that should not be. */
interface FuzzFinding {
  readonly run: number
  readonly problem: string
  /** base64. */
  readonly input: string
}

/** What watches the runs. */
export interface FuzzOptions {
  /** Called every 100,000 runs. */
  readonly progress?: (done: number) => void
  /** Milliseconds of some clock. Default `performance.now`. */
  readonly now?: () => number
}

export function fuzzTarget(
  target: FuzzTarget,
  runs: number,
  seed: number,
  { progress, now = () => performance.now() }: FuzzOptions = {},
): FuzzReport {
  const refused: Record<string, number> = {}
  const findings: FuzzFinding[] = []
  let accepted = 0
  let slowestMs = 0
  const once = (input: Uint8Array | string, run: number): void => {
    const began = now()
    const problem = attempt(target, input, refused)
    const elapsed = now() - began
    if (problem === undefined) accepted++
    else if (problem !== refusal)
      findings.push({
        run,
        problem,
        input: Buffer.from(input as string)
          .toString('base64')
          .slice(0, 4000),
      })
    if (elapsed <= slowestMs) return
    // Machines are shared: only what is slow three times over is slow.
    const best =
      elapsed > limitMs
        ? Math.min(elapsed, ...[1, 2, 3].map(() => time(() => attempt(target, input, {}), now)))
        : elapsed
    slowestMs = Math.max(slowestMs, best)
    if (best > limitMs)
      findings.push({
        run,
        problem: `took ${best.toFixed(0)} ms`,
        input: Buffer.from(input as string)
          .toString('base64')
          .slice(0, 4000),
      })
  }
  const random = new SeededRandom(seed)
  // Caches and compiled code are no growth
  for (let run = 0; run < Math.min(runs, 2000); run++) once(target.input(random), run)
  const before = memoryKib()
  for (let run = 2000; run < runs; run++) {
    once(target.input(random), run)
    if (run % 100_000 === 0) progress?.(run)
    if (findings.length >= 20) break
  }
  const growthKib = memoryKib() - before
  if (growthKib > 64 * 1024)
    findings.push({ run: runs, problem: `memory grew by ${growthKib} KiB`, input: '' })
  return { name: target.name, runs, accepted, refused, slowestMs, growthKib, findings }
}

/** Undefined = accepted; `refusal` = refused as it should be; else what went wrong. */
function attempt(
  target: FuzzTarget,
  input: Uint8Array | string,
  refused: Record<string, number>,
): string | undefined {
  try {
    target.run(input)
    return undefined
  } catch (error) {
    if (!isPkiError(error))
      return error instanceof Error ? (error.stack ?? error.message).slice(0, 500) : String(error)
    refused[error.code] = (refused[error.code] ?? 0) + 1
    return refusal
  }
}

function time(work: () => unknown, now: () => number): number {
  const began = now()
  work()
  return now() - began
}

function memoryKib(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return Math.round((heapUsed + arrayBuffers) / 1024)
}

const refusal = 'refused'
const limitMs = 50
