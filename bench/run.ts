// npm run bench -- [filter] [--json FILE] [--short]      rows whose name contains the filter
// npm run bench -- load [--json FILE] [--short]          the gRPC service under load, client in another process

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machineInfo } from './machine.ts'
import { fullMeasure, measureRow, shortMeasure } from './measure.ts'
import type { MeasuredRow } from './measure.ts'
import { formatRow, missedBars } from './report.ts'
import type { BenchRow } from './row.ts'

const rowFiles = ['parse', 'spiffe-id', 'issue', 'verify', 'keys', 'crl', 'pkcs11'] as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, short: { type: 'boolean', default: false } },
})
const [filter = ''] = positionals
const machine = machineInfo()
console.log(`${machine.machine}\nNode ${machine.node}, OpenSSL ${machine.openssl}\n`)

if (filter === 'load') {
  const { runLoad } = await import('./load.ts')
  const load = await runLoad({ short: values.short })
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ ...machine, ...load }, null, 2)}\n`)
} else {
  console.log('Each ratio says how many times as fast as the named one; all of a row are measured in turns in this run.\n')
  const rows = await runRows(filter, values.short)
  if (rows.length === 0) {
    console.error(`No row is called like "${filter}".`)
    process.exitCode = 1
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ ...machine, rows }, null, 2)}\n`)
}

async function runRows(wanted: string, short: boolean): Promise<MeasuredRow[]> {
  const measured: MeasuredRow[] = []
  const missed: string[] = []
  for (const file of rowFiles) {
    const { rows } = (await import(`./${file}.ts`)) as { rows: readonly BenchRow[] }
    for (const row of rows) {
      if (!row.name.includes(wanted)) continue
      const result = await measureRow(row, short ? shortMeasure : fullMeasure)
      console.log(formatRow(row, result))
      measured.push(result)
      missed.push(...missedBars(row, result).map((name) => `${row.name} against ${name}`))
    }
  }
  if (missed.length > 0) console.log(`\nBelow the bar in this run: ${missed.join(', ')}. On a busy machine, run again before you look further.`)
  return measured
}
