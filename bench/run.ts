// The command `npm run bench`, which measures rows, or with `load` the gRPC service under load with its
// client in another process.

import { spawnSync } from 'node:child_process'
import { checkReportFile, giveUp, readArguments, writeReport } from '../scripts/command-line.ts'
import { machineInfo } from './machine.ts'
import { fullMeasure, measureRow, shortMeasure } from './measure.ts'
import type { MeasureOptions, MeasuredRow } from './measure.ts'
import { formatRow, missedBars, missedGoals } from './report.ts'
import type { BenchRow, SelfMeasuredRow } from './row.ts'

/** Measurements of a row that misses a bar. */
const attempts = 3

type AnyRow = BenchRow | SelfMeasuredRow

interface RowFile {
  /** What the names of its rows begin with. */
  readonly areas: readonly string[]
  readonly load: () => Promise<{ readonly rows: readonly AnyRow[] }>
}

/** A file is imported only when the filter can match one of its rows. */
const rowFiles: readonly RowFile[] = [
  { areas: ['parse'], load: () => import('./parse.ts') },
  { areas: ['spiffe-id'], load: () => import('./spiffe-id.ts') },
  { areas: ['policy'], load: () => import('./policy.ts') },
  { areas: ['auth'], load: () => import('./tokens.ts') },
  { areas: ['issue'], load: () => import('./issue.ts') },
  { areas: ['issue', 'sqlite'], load: () => import('./sqlite.ts') },
  { areas: ['issue'], load: () => import('./postgres.ts') },
  { areas: ['issue', 'verify'], load: () => import('./cpu.ts') },
  { areas: ['verify', 'ocsp'], load: () => import('./verify.ts') },
  { areas: ['rotation'], load: () => import('./rotation.ts') },
  { areas: ['keys'], load: () => import('./keys.ts') },
  { areas: ['crl'], load: () => import('./crl.ts') },
  { areas: ['crl'], load: () => import('./crl-issue.ts') },
  { areas: ['pkcs11'], load: () => import('./pkcs11.ts') },
  { areas: ['sds'], load: () => import('./sds.ts') },
  { areas: ['audit'], load: () => import('./audit.ts') },
  { areas: ['http'], load: () => import('./http.ts') },
  { areas: ['secrets', 'tls'], load: () => import('./secrets.ts') },
]

const usage = `Usage: npm run bench -- [filter | load] [--json FILE] [--short] [--peer go] [--node MAJOR]
  filter        rows whose name contains it, such as issue, verify/chain3-warm, crl; without a filter all rows
  load          the gRPC service under load, its client in another process
  --json FILE   also writes the results there
  --short       fewer and shorter turns: a quick look
  --peer go     the rows of CPU time are measured against Go's crypto/x509 too; needs the go command
  --node MAJOR  the rows of CPU time are measured on that version of Node, which npx downloads
docs/bench.md has the bar and the goal of each row. A bar that is missed three times makes the exit code 1.`

const { values, positionals } = readArguments(
  {
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      short: { type: 'boolean', default: false },
      peer: { type: 'string' },
      node: { type: 'string' },
    },
  },
  usage,
)
checkReportFile(values.json, usage)
if (positionals.length > 1) giveUp(`One filter at a time: ${positionals.join(' ')}`, usage)
const [filter = ''] = positionals
if (values.peer !== undefined && values.peer !== 'go')
  giveUp(`--peer ${values.peer}: the only peer by option is go`, usage)
const go = values.peer === 'go'
if (go && spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0)
  giveUp('--peer go: the go command is not installed', usage)
const node = values.node === undefined ? undefined : nodeExecutable(values.node)
const machine = machineInfo()
console.log(`${machine.machine}\nNode ${machine.node}, OpenSSL ${machine.openssl}\n`)

if (filter === 'load') {
  const { runLoad } = await import('./load.ts')
  const load = await runLoad({ short: values.short })
  writeReport(values.json, { ...machine, ...load })
} else {
  console.log(
    'A ratio of 2 × NAME means: twice as fast as NAME. All contenders of a row are measured in ' +
      'turns in this run.\n',
  )
  const rows = await runRows(filter, values.short)
  if (rows.length === 0)
    giveUp(`No row has "${filter}" in its name. The rows: ${(await rowNames()).join(', ')}.`, usage)
  writeReport(values.json, { ...machine, rows })
}

/** The files whose rows begin with the area of the filter; all files when no row does. */
function filesFor(wanted: string): readonly RowFile[] {
  const [area = ''] = wanted.split('/')
  const known = rowFiles.filter(({ areas }) => areas.includes(area))
  return known.length > 0 ? known : rowFiles
}

async function rowNames(): Promise<string[]> {
  const files = await Promise.all(rowFiles.map(({ load }) => load()))
  return files.flatMap(({ rows }) => rows.map(({ name }) => name))
}

async function runRows(wanted: string, short: boolean): Promise<MeasuredRow[]> {
  const measured: MeasuredRow[] = []
  const missed: string[] = []
  const unreached: string[] = []
  for (const file of filesFor(wanted)) {
    const { rows } = await file.load()
    for (const row of rows) {
      if (!row.name.includes(wanted)) continue
      const result = await measureUntilHeld(row, { ...(short ? shortMeasure : fullMeasure), go, node })
      measured.push(result)
      missed.push(...missedBars(row, result))
      unreached.push(...missedGoals(row, result))
    }
  }
  if (unreached.length > 0) console.log(`\nGoals that are not reached: ${unreached.join(', ')}.`)
  if (missed.length > 0) {
    console.log(`\nBars that were missed ${attempts} times in this run: ${missed.join(', ')}.`)
    process.exitCode = 1
  }
  return measured
}

/** A row that misses a bar is measured again, as neighbours disturb. Every measurement is printed. */
async function measureUntilHeld(row: AnyRow, options: MeasureOptions): Promise<MeasuredRow> {
  for (let attempt = 1; ; attempt++) {
    const result = await measureRow(row, options)
    console.log(formatRow(row, result))
    if (attempt === attempts || missedBars(row, result).length === 0) return result
  }
}

/** The executable of another Node, by the package that npm has of it. */
function nodeExecutable(major: string): string {
  if (!/^\d+$/.test(major)) giveUp(`--node ${major}: expected the number of a major version`, usage)
  const { status, stdout, stderr } = spawnSync(
    'npx',
    ['-y', '-p', `node-${process.platform}-${process.arch}@${major}`, '--', 'node', '-p', 'process.execPath'],
    { encoding: 'utf8' },
  )
  if (status !== 0) giveUp(`--node ${major}: npx cannot provide it: ${stderr.trim()}`, usage)
  return stdout.trim()
}
