// npm run bench -- [filter] [--json FILE] [--short]      rows whose name contains the filter
// npm run bench -- load [--json FILE] [--short]          the gRPC service under load, client in another process

import { checkReportFile, giveUp, readArguments, writeReport } from '../scripts/command-line.ts'
import { machineInfo } from './machine.ts'
import { fullMeasure, measureRow, shortMeasure } from './measure.ts'
import type { MeasuredRow } from './measure.ts'
import { formatRow, missedBars } from './report.ts'
import type { BenchRow } from './row.ts'

/** Files of rows, and what the names in each begin with: to import one may take seconds. */
const rowFiles = {
  parse: ['parse'],
  'spiffe-id': ['spiffe-id'],
  issue: ['issue'],
  verify: ['verify', 'ocsp'],
  keys: ['keys'],
  crl: ['crl'],
  pkcs11: ['pkcs11'],
} as const

const usage = `Usage: npm run bench -- [filter | load] [--json FILE] [--short]
  filter        rows whose name contains it, such as issue, verify/chain3-warm, crl; all of them where none is given
  load          the gRPC service under load, its client in another process
  --json FILE   also writes the results there
  --short       a look instead of a measurement
docs/bench.md says what each row is held to.`

const { values, positionals } = readArguments(
  {
    allowPositionals: true,
    options: { json: { type: 'string' }, short: { type: 'boolean', default: false } },
  },
  usage,
)
checkReportFile(values.json, usage)
if (positionals.length > 1) giveUp(`One filter at a time: ${positionals.join(' ')}`, usage)
const [filter = ''] = positionals
const machine = machineInfo()
console.log(`${machine.machine}\nNode ${machine.node}, OpenSSL ${machine.openssl}\n`)

if (filter === 'load') {
  const { runLoad } = await import('./load.ts')
  const load = await runLoad({ short: values.short })
  writeReport(values.json, { ...machine, ...load })
} else {
  console.log(
    'Each ratio says how many times as fast as the named one; all of a row are measured in turns in this run.\n',
  )
  const rows = await runRows(filter, values.short)
  if (rows.length === 0)
    giveUp(`No row has "${filter}" in its name. These are there: ${(await rowNames()).join(', ')}.`, usage)
  writeReport(values.json, { ...machine, rows })
}

/** All, unless the filter begins as the rows of some do. */
function filesFor(wanted: string): string[] {
  const [area] = wanted.split('/')
  const known = Object.entries(rowFiles).filter(([, areas]) => areas.some((one) => one === area))
  return (known.length > 0 ? known : Object.entries(rowFiles)).map(([file]) => file)
}

async function rowNames(): Promise<string[]> {
  const files = await Promise.all(
    Object.keys(rowFiles).map(
      async (file) => (await import(`./${file}.ts`)) as { rows: readonly BenchRow[] },
    ),
  )
  return files.flatMap(({ rows }) => rows.map(({ name }) => name))
}

async function runRows(wanted: string, short: boolean): Promise<MeasuredRow[]> {
  const measured: MeasuredRow[] = []
  const missed: string[] = []
  for (const file of filesFor(wanted)) {
    const { rows } = (await import(`./${file}.ts`)) as { rows: readonly BenchRow[] }
    for (const row of rows) {
      if (!row.name.includes(wanted)) continue
      const result = await measureRow(row, short ? shortMeasure : fullMeasure)
      console.log(formatRow(row, result))
      measured.push(result)
      missed.push(...missedBars(row, result).map((name) => `${row.name} against ${name}`))
    }
  }
  if (missed.length > 0)
    console.log(
      `\nBelow the bar in this run: ${missed.join(', ')}. On a busy machine, run again before you look further.`,
    )
  return measured
}
