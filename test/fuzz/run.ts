// The command `npm run fuzz`, which runs the fuzz targets and prints what they found.

import { giveUp, readArguments, readCount } from '../../scripts/command-line.ts'
import { fuzzTarget } from './fuzz-target.ts'
import type { FuzzReport } from './fuzz-target.ts'
import { targets } from './targets.ts'

const names = targets.map(({ name }) => name)
const usage = `Usage: npm run fuzz -- [target ...] [--runs N] [--seed S]
  target     ${names.join(', ')}; all of them where none is named
  --runs N   mutated inputs for each target (default 20000)
  --seed S   a whole number; the same seed gives the same inputs (default 1)`

const { values, positionals } = readArguments(
  {
    allowPositionals: true,
    options: { runs: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } },
  },
  usage,
)
const runs = readCount('runs', values.runs, 1, usage)
const seed = readCount('seed', values.seed, 0, usage)
const unknown = positionals.find((name) => !names.includes(name))
if (unknown !== undefined) giveUp(`No target is called "${unknown}".`, usage)
const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name))

let findings = 0
for (const target of chosen) {
  const report = fuzzTarget(target, runs, seed, {
    progress: (done) => process.stderr.write(`${target.name}: ${done} of ${runs}\n`),
  })
  console.log(formatReport(report))
  for (const { run, problem, input } of report.findings)
    console.log(
      `  FINDING in run ${run} of ${report.name}, seed ${seed}: ${problem}\n    input (base64): ${input}`,
    )
  findings += report.findings.length
}
console.log(
  findings === 0 ? 'No findings.' : `${findings} findings: each is a bug; repeat it with the same seed.`,
)
process.exitCode = findings === 0 ? 0 : 1

function formatReport({ name, runs: count, accepted, refused, slowestMs, growthKib }: FuzzReport): string {
  const top = Object.entries(refused)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 4)
    .map(([code, times]) => `${code} ${times}`)
  return (
    `${name.padEnd(12)} ${count} runs, ${accepted} accepted, slowest ` +
    `${slowestMs.toFixed(1)} ms, memory ${growthKib >= 0 ? '+' : ''}${growthKib} KiB, refused: ` +
    top.join(', ')
  )
}
