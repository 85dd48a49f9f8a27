// npm run fuzz -- [target] [--runs N] [--seed S]

import { parseArgs } from 'node:util'
import { fuzzTarget } from './fuzz-target.ts'
import type { FuzzReport } from './fuzz-target.ts'
import { targets } from './targets.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string', default: '20000' }, seed: { type: 'string', default: '1' } } })
const runs = Number(values.runs)
const chosen = positionals.length === 0 ? targets : targets.filter(({ name }) => positionals.includes(name))
if (chosen.length === 0 || !Number.isSafeInteger(runs) || runs < 1) {
  console.error(`Usage: npm run fuzz -- [${targets.map(({ name }) => name).join(' | ')}] [--runs N] [--seed S]`)
  process.exit(2)
}

let findings = 0
for (const target of chosen) {
  const report = fuzzTarget(target, runs, Number(values.seed), (done) => process.stderr.write(`${target.name}: ${done} of ${runs}\n`))
  console.log(formatReport(report))
  for (const { run, problem, input } of report.findings) console.log(`  FINDING in run ${run} of ${report.name}, seed ${values.seed}: ${problem}\n    input (base64): ${input}`)
  findings += report.findings.length
}
console.log(findings === 0 ? 'No findings.' : `${findings} findings: each is a bug; repeat it with the same seed.`)
process.exitCode = findings === 0 ? 0 : 1

function formatReport({ name, runs: count, accepted, refused, slowestMs, growthKib }: FuzzReport): string {
  const top = Object.entries(refused).sort(([, a], [, b]) => b - a).slice(0, 4).map(([code, times]) => `${code} ${times}`)
  return `${name.padEnd(12)} ${count} runs, ${accepted} accepted, slowest ${slowestMs.toFixed(1)} ms, memory ${growthKib >= 0 ? '+' : ''}${growthKib} KiB, refused: ${top.join(', ')}`
}
