// npm run conformance [-- --data DIR] [--json FILE] [--only NAME]: every corpus found in DIR, and the table.

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { dataFolder } from './corpus.ts'
import { loaders } from './corpora/index.ts'
import { missedBars, score } from './score.ts'
import type { CorpusResult } from './score.ts'

const { values } = parseArgs({ options: { data: { type: 'string' }, json: { type: 'string' }, only: { type: 'string' } } })
const data = dataFolder(values.data)
const results: CorpusResult[] = []
const missed: string[] = []

for (const load of loaders) {
  for (const corpus of load(data)) {
    if (corpus.cases.length === 0 || (values.only !== undefined && corpus.name !== values.only)) continue
    const result = await score(corpus)
    results.push(result)
    print(result)
    missed.push(...missedBars(corpus, result).map((what) => `${corpus.name}: ${what}`))
  }
}

if (results.length === 0) console.log(`no corpus found in ${data}`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ corpora: results }, undefined, 2)}\n`)
for (const what of missed) console.log(`BAR MISSED  ${what}`)
// A folder that was named and holds nothing is a mistake; the default one may be absent.
process.exitCode = missed.length > 0 || (results.length === 0 && values.data !== undefined) ? 1 : 0

function print(result: CorpusResult): void {
  const { name, total, scored, correct, falseAccepts, falseRejects, unsupported, crashes, slowest } = result
  console.log(`${name}: ${total} cases, ${correct} of ${scored} correct, ${falseAccepts.length} false accepts, ${falseRejects.length} false rejects, ` +
    `${unsupported} unsupported, ${crashes.length} crashes, slowest ${slowest.ms} ms (${slowest.id})`)
  list('false accept', falseAccepts)
  list('false reject', falseRejects)
  list('crash', crashes)
}

function list(what: string, ids: readonly string[]): void {
  for (const id of ids.slice(0, 50)) console.log(`  ${what}: ${id}`)
  if (ids.length > 50) console.log(`  ... and ${ids.length - 50} more of ${what}`)
}
