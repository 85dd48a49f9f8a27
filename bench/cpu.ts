// issue/p256-cpu, verify/chain3-warm-cpu: CPU time of a whole process pinned to one core, which other
// processes disturb less than elapsed time.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startContender } from './cpu/contender-process.ts'
import type { Contender } from './cpu/contender-process.ts'
import { makeInputs } from './cpu/inputs.ts'
import type { CpuInputs } from './cpu/inputs.ts'
import { medianOf } from './measure.ts'
import type { MeasureOptions, MeasuredRow } from './measure.ts'
import type { SelfMeasuredRow } from './row.ts'

const typescript = new URL('typescript.mjs', import.meta.url).href
const ownFigure = 'own JavaScript in the profile, %'

export const rows: readonly SelfMeasuredRow[] = [
  cpuRow('issue/p256-cpu', 'issue', ['node:crypto', 'node:crypto by subtle'], 0.45, { limit: 30, goal: 8 }),
  cpuRow('issue/p256-cpu-64', 'issue', ['node:crypto'], 0.5, { limit: 25, goal: 8, atOnce: 64 }),
  cpuRow('verify/chain3-warm-cpu', 'verify', ['node:crypto'], 0.4, { limit: 35, goal: 15 }),
]

/** Units of work that a contender does in one turn. */
const turnUnits = 400
/**
 * Units before the first turn, in a short run too. The compiler of Node 20 has done its work after 5,000;
 * that of Node 24 compiles the hot functions again after 10,000 to 12,000, for 0.4 s.
 */
const warmUpUnits = 20_000

function cpuRow(
  name: string,
  work: string,
  barePeers: readonly string[],
  minRatio: number,
  own: { readonly limit: number; readonly goal: number; readonly atOnce?: number },
): SelfMeasuredRow {
  return {
    name,
    bars: { 'node:crypto': minRatio },
    limits: { [ownFigure]: own.limit },
    goals: { 'node:crypto': 0.85, [ownFigure]: own.goal },
    measure: (options) => measureCpu({ name, work, barePeers, atOnce: own.atOnce ?? 1 }, options),
  }
}

/** What a row measures. */
interface CpuWork {
  readonly name: string
  readonly work: string
  readonly barePeers: readonly string[]
  /** Units that a Node contender begins at once. Go's calls are synchronous. */
  readonly atOnce: number
}

async function measureCpu(asked: CpuWork, options: MeasureOptions): Promise<MeasuredRow> {
  const inputs = await makeInputs()
  const contenders = new Map<string, Contender>()
  const goFolder = options.go === true ? mkdtempSync(join(tmpdir(), 'bench-go-')) : undefined
  try {
    for (const peer of ['ours', ...asked.barePeers]) contenders.set(peer, startNode(inputs, options))
    if (goFolder !== undefined) contenders.set('go', startGo(inputs, goFolder))
    return await measureContenders(asked, contenders, options)
  } finally {
    for (const contender of contenders.values()) await contender[Symbol.asyncDispose]()
    if (goFolder !== undefined) rmSync(goFolder, { recursive: true, force: true })
  }
}

async function measureContenders(
  { name, work, atOnce }: CpuWork,
  contenders: ReadonlyMap<string, Contender>,
  options: MeasureOptions,
): Promise<MeasuredRow> {
  const units = Math.ceil(turnUnits * (options.turnMs / 250))
  for (const [peer, process] of contenders) {
    await process.order({ work: `${work}: ${peer}`, count: warmUpUnits, atOnce })
  }
  const rounds: Record<string, number>[] = []
  for (let round = 0; round < options.rounds; round++) {
    const times: Record<string, number> = {}
    for (const [peer, process] of contenders)
      times[peer] = (await process.order({ work: `${work}: ${peer}`, count: units, atOnce })).cpuUs
    rounds.push(times)
  }
  const profile = { work: `${work}: ours`, count: units * 5, atOnce, profile: true }
  const { ownShare = NaN } = await contenders.get('ours')!.order(profile)
  const median = (pick: (times: Record<string, number>) => number): number => medianOf(rounds.map(pick))
  const peers = [...contenders.keys()].filter((peer) => peer !== 'ours')
  return {
    name,
    medianUs: median(({ ours }) => ours!),
    ratios: Object.fromEntries(peers.map((peer) => [peer, median((times) => times[peer]! / times['ours']!)])),
    extra: {
      [ownFigure]: 100 * ownShare,
      'beyond node:crypto, µs': median((times) => times['ours']! - times['node:crypto']!),
    },
  }
}

function startNode(inputs: CpuInputs, { node = process.execPath }: MeasureOptions): Contender {
  const program = fileURLToPath(new URL('cpu/contender.ts', import.meta.url))
  return startContender([node, '--import', typescript, program], inputs)
}

/** Builds the Go program into the folder. */
function startGo(inputs: CpuInputs, folder: string): Contender {
  const program = join(folder, 'bench')
  const { status, stderr } = spawnSync('go', ['build', '-o', program, '.'], {
    cwd: new URL('go/', import.meta.url),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the Go contender does not build: ${stderr}`)
  return startContender([program], inputs)
}
