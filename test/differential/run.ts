// The command that runs the differential test and prints what it found.

import { readArguments, readCount } from '../../scripts/command-line.ts'
import { runDifferential } from './differential.ts'
import type { Finding } from './differential.ts'

const usage =
  'Usage: npx tsx test/differential/run.ts [--runs N] [--seed S]     docs/differential.md says what ' +
  'is asked of whom'
const { values } = readArguments(
  { options: { runs: { type: 'string', default: '2000' }, seed: { type: 'string', default: '1' } } },
  usage,
)
const runs = readCount('runs', values.runs, 1, usage)
const seed = readCount('seed', values.seed, 0, usage)

const report = await runDifferential(runs, seed, (done) => process.stderr.write(`${done} of ${runs}\n`))
console.log(`${report.runs} cases, seed ${seed}; opinions: ${report.opinions.join(', ')}`)
console.table(report.tally)
console.log('Explained disagreements:')
for (const [{ who, direction, questions, reason, clause }, count] of [...report.explained].sort(
  ([, a], [, b]) => b - a,
)) {
  console.log(
    `${String(count).padStart(7)}  we are ` +
      `${direction} than ${who}  ${questions.join(',')}  ${reason.source}  [${clause}]`,
  )
}
print('Unexplained disagreements', report.unexplained)
print('Accepted by us alone', report.alone)
process.exitCode = report.unexplained.length + report.alone.length === 0 ? 0 : 1

/** One line a kind: the first of it can be repeated by its run and seed. */
function print(title: string, findings: readonly Finding[]): void {
  console.log(`${title}: ${findings.length}`)
  const kinds = groupBy(
    findings,
    ({ who, direction, question, reason }) =>
      `${direction} than ${who}  ${question}  ${reason
        .replace(/\d+/g, 'N')
        .replace(/"[^"]*"/g, '""')
        .slice(0, 160)}`,
  )
  for (const [kind, of] of [...kinds].sort(([, a], [, b]) => b.length - a.length))
    console.log(
      `${String(of.length).padStart(7)}  ${kind}  (run ${of[0]!.run}: ${of[0]!.der.slice(0, 1200)})`,
    )
}

function groupBy<T>(list: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}
