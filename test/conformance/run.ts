// npm run conformance [-- --data DIR] [--json FILE] [--only NAME]: every corpus found in DIR, and the table.

import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { checkReportFile, giveUp, readArguments, writeReport } from '../../scripts/command-line.ts'
import { dataFolder } from './corpus.ts'
import { loaders } from './corpora/index.ts'
import { missedBars, score } from './score.ts'
import type { CorpusResult } from './score.ts'

const usage =
  `Usage: npm run conformance [-- --data DIR] [--json FILE] [--only NAME]
  --data DIR    where the corpora are: folders bettertls, limbo, parser, pkits, spiffe, wycheproof, ` +
  `or some of them
                (default: SPIFFE_PKI_CONFORMANCE, or ../shared/conformance)
  --json FILE   also writes the results there
  --only NAME   one corpus alone
docs/conformance.md says what they are.`

const { values } = readArguments(
  { options: { data: { type: 'string' }, json: { type: 'string' }, only: { type: 'string' } } },
  usage,
)
checkReportFile(values.json, usage)
const data = dataFolder(values.data)
const named = values.data !== undefined || process.env['SPIFFE_PKI_CONFORMANCE'] !== undefined
if (named && !existsSync(data)) giveUp(`There is no folder ${resolve(data)}.`, usage)
if (named && !statSync(data).isDirectory())
  giveUp(`${resolve(data)} is a file; expected the folder of the corpora.`, usage)
const found = new Set<string>()
const results: CorpusResult[] = []
const missed: string[] = []

for (const load of loaders) {
  for (const corpus of load(data)) {
    if (corpus.cases.length === 0) continue
    found.add(corpus.name)
    if (values.only !== undefined && corpus.name !== values.only) continue
    const result = await score(corpus)
    results.push(result)
    print(result)
    missed.push(...missedBars(corpus, result).map((what) => `${corpus.name}: ${what}`))
  }
}

if (results.length === 0 && values.only !== undefined && found.size > 0)
  giveUp(`No corpus is called "${values.only}". These are there: ${[...found].join(', ')}.`, usage)
if (results.length === 0) giveUp(`Nothing was run: there is no corpus in ${resolve(data)}.`, usage)
writeReport(values.json, { corpora: results })
for (const what of missed) console.log(`BAR MISSED  ${what}`)
process.exitCode = missed.length > 0 ? 1 : 0

function print(result: CorpusResult): void {
  const { name, total, scored, correct, falseAccepts, falseRejects, unsupported, crashes, slowest } = result
  console.log(
    `${name}: ${total} cases, ${correct} of ${scored} correct, ${falseAccepts.length} false ` +
      `accepts, ${falseRejects.length} false rejects, ` +
      `${unsupported} unsupported, ${crashes.length} crashes, slowest ${slowest.ms} ms (${slowest.id})`,
  )
  list('false accept', falseAccepts)
  list('false reject', falseRejects)
  list('crash', crashes)
}

function list(what: string, ids: readonly string[]): void {
  for (const id of ids.slice(0, 50)) console.log(`  ${what}: ${id}`)
  if (ids.length > 50) console.log(`  ... and ${ids.length - 50} more of ${what}`)
}
