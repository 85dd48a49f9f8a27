// Kills a program at its system calls that change files, each in a run of its own under strace.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { SeededRandom } from '../fuzz/random.ts'

/** Whether each test kills at every call, or at a sample of them. */
export const isEveryCall: boolean = process.env['SPIFFE_PKI_CALL_KILLS'] === 'all'
const seed = Number(process.env['SPIFFE_PKI_SEED'] ?? Date.now() % 1_000_000)

/**
 * One call of a run. strace counts the calls of each thread and of each kind for themselves, so a call of a
 * store, whose files have fixed names, is counted among those of its file.
 */
export interface KillPoint {
  readonly call: string
  /** The file of a store; undefined for a call that is counted among all of its thread. */
  readonly file: string | undefined
  readonly count: number
}

const writes = 'write,pwrite64,writev,pwritev,ftruncate'
const names = 'link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir'
const calls = `${writes},fsync,fdatasync,${names}`

/** The points of a run in `directory`: all of them, or a sample. */
export async function killPoints(
  command: readonly string[],
  directory: string,
  sample: number,
): Promise<readonly KillPoint[]> {
  const { said, log } = await traced(command, ['-y'])
  if (!said.endsWith('done')) throw new Error(`the program did not finish: ${said}`)
  const counts = new Map<string, number>()
  const next = (key: string): number => {
    counts.set(key, (counts.get(key) ?? 0) + 1)
    return counts.get(key)!
  }
  const points = log.split('\n').flatMap((line): KillPoint[] => {
    const [, thread = '', call = ''] = /^(\d+) +(\w+)\(/.exec(line) ?? []
    if (call === '') return []
    const ofThread = next(`${thread} ${call}`)
    const at = line.indexOf(directory)
    if (at < 0) return []
    const [path = ''] = /^[^>"]+/.exec(line.slice(at)) ?? []
    if (!/\/ca\.sqlite(-\w+)?$/.test(path)) return [{ call, file: undefined, count: ofThread }]
    const file = path.slice(directory.length + 1)
    return [{ call, file, count: next(`${file} ${call}`) }]
  })
  if (isEveryCall || points.length <= sample) return points
  const random = new SeededRandom(seed)
  // One of each stretch, so that every phase of the run has its share.
  const stretch = points.length / sample
  return Array.from(
    { length: sample },
    (_, at) => points[Math.floor((at + random.integer(1000) / 1000) * stretch)]!,
  )
}

/** What a run in a directory of its own came to. */
export interface KilledRun {
  readonly directory: string
  readonly said: string
  readonly isKilled: boolean
}

/**
 * Runs the program in a new directory, and kills it when it enters the call. A thread that is woken once more
 * or less makes another call the n-th: a run that comes to its end is tried again a few times.
 */
export async function killOnce(
  newDirectory: () => string,
  commandIn: (directory: string) => readonly string[],
  { call, file, count }: KillPoint,
): Promise<KilledRun> {
  for (let attempt = 1; ; attempt++) {
    const directory = newDirectory()
    const only = file === undefined ? [] : ['-P', join(directory, file)]
    const options = [...only, '-e', `inject=${call}:signal=KILL:when=${count}`]
    const { said, isKilled } = await traced(commandIn(directory), options)
    if (isKilled || attempt === 4) return { directory, said, isKilled }
  }
}

/** Runs the program to its end; what it said. */
export async function run(command: readonly string[]): Promise<string> {
  return (await ended(command)).said
}

async function traced(
  command: readonly string[],
  options: readonly string[],
): Promise<{ said: string; log: string; isKilled: boolean }> {
  const folder = mkdtempSync(join(tmpdir(), 'strace-'))
  try {
    const file = join(folder, basename(folder))
    const strace = ['strace', '-f', '-qq', '-o', file, '-e', `trace=${calls}`, ...options]
    const { said, isKilled } = await ended([...strace, ...command])
    return { said, isKilled, log: readFileSync(file, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function ended([program = '', ...args]: readonly string[]): Promise<{
  said: string
  isKilled: boolean
}> {
  // One thread writes all files but those of a store, so that the n-th call is the same one in each run.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [said, complaint] = ['', '']
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()))
  const [, signal] = (await once(child, 'close')) as [unknown, NodeJS.Signals | null]
  if (complaint !== '') throw new Error(complaint)
  return { said, isKilled: signal === 'SIGKILL' }
}
