// The log of strace: which calls of a run change files, and how strace is told to kill at one of them.

import { join } from 'node:path'

const writes = ['write', 'pwrite64', 'writev', 'pwritev', 'ftruncate', 'fsync', 'fdatasync']
const names = ['link', 'linkat', 'rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir']
/** The calls that change a file, or make a change durable. */
export const tracedCalls: readonly string[] = [...writes, ...names]

/** A call of one thread on a file of the directory. */
export interface LoggedCall {
  readonly thread: string
  readonly call: string
  /** Its file, as named in the directory; of two names the first. */
  readonly path: string
  /** Whether it came back. */
  isOver: boolean
}

/** The calls on files of `directory`, in their order; those on pipes, sockets and event counters are not. */
export function callsOf(log: string, directory: string): readonly LoggedCall[] {
  const found: LoggedCall[] = []
  for (const line of log.split('\n')) {
    // Of a killed one strace writes `resumed> ... = ?`, if another thread was killed before it.
    const [, resumed = ''] = /^(\d+) +<\.\.\. \w+ resumed>.* = -?\d/.exec(line) ?? []
    if (resumed !== '') {
      const open = found.findLast(({ thread }) => thread === resumed)
      if (open !== undefined) open.isOver = true
    }
    const [, thread = '', call = '', rest = ''] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
    const [, path = ''] = (names.includes(call) ? /"([^"]*)"/ : /^\d+<([^>]*)>/).exec(rest) ?? []
    if (path !== directory && !path.startsWith(`${directory}/`)) continue
    const isOver = / = -?\d/.test(rest)
    found.push({ thread, call, path: path.slice(directory.length + 1), isOver })
  }
  return found
}

/**
 * One call of a run: the `count`-th of its kind on that file. strace counts the calls of each thread for
 * themselves, among those on the files `among`: at the `when`-th it kills.
 */
export interface KillPoint {
  readonly call: string
  readonly path: string
  readonly count: number
  readonly among: readonly string[]
  readonly when: number
}

/** How each call of a run is reached in another one. */
export function killPointsOf(calls: readonly LoggedCall[]): readonly KillPoint[] {
  return calls.map(({ thread, call, path }, at) => {
    const before = calls.slice(0, at).filter((one) => one.call === call)
    const isOfOthers = (file: string): boolean =>
      calls.some((one) => one.call === call && one.path === file && one.thread !== thread)
    const own = before.filter((one) => one.thread === thread && !isOfOthers(one.path))
    // Where another thread has as many calls on the file earlier, those on files of this one alone count too.
    const choices = [[path], [...new Set([path, ...own.map((one) => one.path)])]].map((among) => {
      const counted = before.filter((one) => among.includes(one.path))
      const of = (other: string): number => counted.filter((one) => one.thread === other).length
      const when = of(thread) + 1
      return { among, when, isFirst: counted.every((one) => one.thread === thread || of(one.thread) < when) }
    })
    const { among, when } = choices.find(({ isFirst }) => isFirst) ?? choices[1]!
    return { call, path, count: before.filter((one) => one.path === path).length + 1, among, when }
  })
}

/** What strace is told to kill at that point of a run in `directory`. */
export function killOptions({ call, among, when }: KillPoint, directory: string): readonly string[] {
  const files = among.flatMap((file) => ['-P', join(directory, file)])
  return [...files, '-e', `inject=${call}:signal=KILL:when=${when}`]
}

/** The calls of that kind on that file; those that a killed run has not come back from are not over. */
export function callsLike({ call, path }: KillPoint, calls: readonly LoggedCall[]): readonly LoggedCall[] {
  return calls.filter((one) => one.call === call && one.path === path)
}
