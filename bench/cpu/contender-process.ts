// A contender in a process of its own, pinned to one core where the system can do that, and asked over its
// standard input.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import type { CpuInputs } from './inputs.ts'

/** One line to a contender. */
export interface ContenderOrder {
  /** A name of `nodeWorks`; the Go program knows `issue: go` and `verify: go`. */
  readonly work: string
  readonly count: number
  /** Units begun at once, as by that many callers; Node only. Default 1. */
  readonly atOnce?: number
  /** Also take a CPU profile; Node only. */
  readonly profile?: boolean
}

/** The answer. */
export interface ContenderReport {
  /** Microseconds of CPU time for one unit. */
  readonly cpuUs: number
  /** Of the profile, from 0 to 1. */
  readonly ownShare?: number
}

/** A running contender. */
export interface Contender extends AsyncDisposable {
  order(order: ContenderOrder): Promise<ContenderReport>
}

/** The core that contenders are pinned to; undefined where `taskset` is absent (it is part of util-linux). */
function pinnedCore(): number | undefined {
  const core = availableParallelism() - 1
  const { status } = spawnSync('taskset', ['-c', String(core), 'true'], { stdio: 'ignore' })
  return status === 0 ? core : undefined
}

export function startContender(command: readonly [string, ...string[]], inputs: CpuInputs): Contender {
  const core = pinnedCore()
  const [file, ...args] =
    core === undefined ? command : (['taskset', '-c', String(core), ...command] as const)
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the contender ${command.join(' ')} ended with exit code ${String(code)}`)
  })
  ended.catch(() => undefined)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  child.stdin.write(`${JSON.stringify(inputs)}\n`)
  return {
    async order(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`)
      const { value } = await Promise.race([lines.next(), ended])
      return JSON.parse(String(value)) as ContenderReport
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended.catch(() => undefined)
    },
  }
}
