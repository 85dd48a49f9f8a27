// The gates of `npm run check`, two at a time; the output of one that fails is shown.

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { readArguments } from './command-line.ts'

readArguments(
  { options: {} },
  'Usage: npm run check     format, types, lint, layers, unused code, packaging, import time',
)

// The two longest begin first, each on a core of its own; the quick ones follow beside the one that is left.
// Lint, types and format cache results of unchanged files in node_modules/.cache, so a second run is quick.
const together = ['lint', 'package', 'layers', 'unused', 'types', 'format:check']
// Last and alone, so that other gates do not disturb the measurement.
const alone = ['import-time']
const failed: string[] = []

async function gate(name: string): Promise<void> {
  const begin = performance.now()
  console.log(`${name}: begins`)
  const run = spawn('npm', ['run', '--silent', name], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  run.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  run.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  const code = await new Promise<number | null>((resolve) => run.on('close', resolve))
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  console.log(`${name}: ${code === 0 ? 'passed' : 'FAILED'} after ${seconds} s`)
  if (code === 0) return
  failed.push(name)
  process.stdout.write(Buffer.concat(output))
}

console.log('check: seven gates; two minutes on two cores the first time, less than one with its caches')
const waiting = [...together]
async function work(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await gate(name)
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
for (const name of alone) await gate(name)
console.log(failed.length === 0 ? 'check: every gate passed' : `check: failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
