// Kills a program at its system calls that change files, each in a run of its own under strace.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import { SeededRandom } from '../fuzz/random.ts'
import { bundled } from './bundled.ts'
import { callsLike, callsOf, killOptions, killPointsOf, tracedCalls } from './call-log.ts'
import type { KillPoint, LoggedCall } from './call-log.ts'

/** Whether each test kills at every call, as `npm run test:heavy` does, or at a sample of them. */
export const isEveryCall: boolean =
  process.env['SPIFFE_PKI_CALL_KILLS'] === 'all' || process.env['SPIFFE_PKI_HEAVY'] === '1'
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)
const tracedRuns = isEveryCall ? 3 : 1
const attempts = 6

/** What came of the kills of a program. */
export interface CallKills {
  readonly calls: number
  readonly killed: number
  /** Calls of the traced run that several later ones did not have: which, and how many the last had. */
  readonly absent: readonly string[]
  /** Calls that a later run had and was not killed in: a fault of this support. */
  readonly unreached: readonly string[]
}

/**
 * Kills the program at each of its calls, or at a sample of them, each time in a new directory, and calls
 * `check` with what was left and the name of the call.
 */
export async function killAtCalls(
  newDirectory: () => string,
  commandIn: (directory: string) => readonly string[],
  sample: number,
  check: (directory: string, point: string) => Promise<void>,
): Promise<CallKills> {
  const points = await killPoints(newDirectory, commandIn, sample)
  const absent: string[] = []
  const unreached: string[] = []
  for (const point of points) {
    const { directory, missed } = await killOnce(newDirectory, commandIn, point)
    const name = `${point.call} ${point.count} of ${point.path}`
    if (missed !== undefined) (missed.isAbsent ? absent : unreached).push(`${name}: ${missed.instead}`)
    await check(directory, name)
  }
  const killed = points.length - absent.length - unreached.length
  return { calls: points.length, killed, absent, unreached }
}

/** There was a kill in each call that was there; the others are named, and few. */
export function expectReached(task: string, { calls, killed, absent, unreached }: CallKills): void {
  console.log([`${task}: ${calls} calls, ${killed} kills`, ...absent].join('\n  not in each run: '))
  expect(unreached).toEqual([])
  expect(absent.length, absent.join()).toBeLessThanOrEqual(Math.max(1, calls / 20))
}

/** The points of the run that had most of a few; a sample of them has its share of every phase of the run. */
async function killPoints(
  newDirectory: () => string,
  commandIn: (directory: string) => readonly string[],
  sample: number,
): Promise<readonly KillPoint[]> {
  let calls: readonly LoggedCall[] = []
  for (let run = 0; run < tracedRuns; run++) {
    const directory = newDirectory()
    const { said, log } = await traced(commandIn(directory), ['-y'])
    if (!said.endsWith('done')) throw new Error(`the program did not finish: ${said}`)
    const found = callsOf(log, directory)
    if (found.length > calls.length) calls = found
  }
  const points = killPointsOf(calls)
  if (isEveryCall || points.length <= sample) return points
  const random = new SeededRandom(seed)
  const stretch = points.length / sample
  return Array.from(
    { length: sample },
    (_, at) => points[Math.floor((at + random.integer(1000) / 1000) * stretch)]!,
  )
}

/**
 * Runs the program in a new directory, and kills it when it enters the call; the log tells whether it was in
 * that one. Which pages a commit writes differs from run to run: one without the call is tried again a few
 * times.
 */
async function killOnce(
  newDirectory: () => string,
  commandIn: (directory: string) => readonly string[],
  point: KillPoint,
): Promise<KilledRun> {
  for (let attempt = 1; ; attempt++) {
    const directory = newDirectory()
    const options = ['-y', ...killOptions(point, directory)]
    const { said, log, isKilled } = await traced(commandIn(directory), options)
    if (!isKilled && !said.endsWith('done')) throw new Error(`the program did not finish: ${said}`)
    const calls = callsOf(log, directory)
    const like = callsLike(point, calls)
    if (isKilled && like[point.count - 1]?.isOver === false) return { directory, missed: undefined }
    if (attempt < attempts) continue
    const other = calls.findLast(({ isOver }) => !isOver)
    const instead = isKilled
      ? `killed in ${other?.call} of ${other?.path}`
      : `the last run had ${like.length}`
    return { directory, missed: { isAbsent: !isKilled && like.length < point.count, instead } }
  }
}

/** A run in a directory of its own, and why it was not killed in the call that was meant. */
interface KilledRun {
  readonly directory: string
  readonly missed: { readonly isAbsent: boolean; readonly instead: string } | undefined
}

/** Runs the program to its end; what it said. */
export async function run(command: readonly string[]): Promise<string> {
  return (await ended(command)).said
}

let names: URL | undefined

async function traced(
  [program = '', ...args]: readonly string[],
  options: readonly string[],
): Promise<{ said: string; log: string; isKilled: boolean }> {
  const folder = mkdtempSync(join(tmpdir(), 'strace-'))
  try {
    const file = join(folder, basename(folder))
    const strace = ['strace', '-f', '-qq', '-o', file, '-e', `trace=${tracedCalls.join()}`, ...options]
    names ??= bundled('test/support/counted-names.ts')
    const { said, isKilled } = await ended([...strace, program, '--import', names.href, ...args])
    return { said, isKilled, log: readFileSync(file, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function ended([program = '', ...args]: readonly string[]): Promise<{
  said: string
  isKilled: boolean
}> {
  // One thread writes all files but those of a store, so that its n-th call is the same one in each run.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [said, complaint] = ['', '']
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
  const [, signal] = (await once(child, 'close')) as [unknown, NodeJS.Signals | null]
  if (complaint !== '') throw new Error(complaint)
  return { said, isKilled: signal === 'SIGKILL' }
}
