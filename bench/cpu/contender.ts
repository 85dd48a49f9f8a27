// A Node process that reads inputs and then orders as JSON lines, does the work and reports the CPU time.

import { Session } from 'node:inspector/promises'
import { createInterface } from 'node:readline'
import { ownShare } from './own-share.ts'
import type { ContenderOrder, ContenderReport } from './contender-process.ts'
import type { CpuInputs } from './inputs.ts'
import { nodeWorks } from './works.ts'
import type { Work } from './works.ts'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const first = await lines.next()
const works = nodeWorks(JSON.parse(String(first.value)) as CpuInputs)
for await (const line of lines) {
  const order = JSON.parse(line) as ContenderOrder
  const work = works[order.work]
  if (work === undefined) throw new Error(`no work is called "${order.work}"`)
  const report = await (order.profile ? profiled : timed)(work, order)
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

/** CPU time of the whole process: garbage collection and the compiler's threads are in it. */
async function timed(work: Work, { count, atOnce = 1 }: ContenderOrder): Promise<ContenderReport> {
  const groups = Math.ceil(count / atOnce)
  const before = process.cpuUsage()
  for (let i = 0; i < groups; i++) await (atOnce === 1 ? work() : together(work, atOnce))
  const { user, system } = process.cpuUsage(before)
  return { cpuUs: (user + system) / (groups * atOnce) }
}

async function profiled(work: Work, order: ContenderOrder): Promise<ContenderReport> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 200 })
  await session.post('Profiler.start')
  const { cpuUs } = await timed(work, order)
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  return { cpuUs, ownShare: ownShare(profile) }
}

async function together(work: Work, atOnce: number): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => work()))
}
