// What importing the built root costs over an empty Node process: the quickest of paired runs, at most 60 ms.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readArguments } from './command-line.ts'

readArguments(
  { options: {} },
  'Usage: npm run import-time     measures what importing the built package costs; `npm run build` first',
)

const limitMs = 60
/**
 * What @peculiar/x509 takes here on the machine that the limit is for (two cores, Node 20): 87 to 89 ms in
 * runs where the root took 48 to 55. A slower machine is allowed proportionally more than `limitMs`.
 */
const peerThereMs = 88
const pairs = 15
/**
 * On a busy machine the quickest run comes late: noise only ever adds, so more pairs can only come nearer to
 * the truth.
 */
const mostPairs = 60
const mostInterrupted = 5

const entry = new URL('../dist/index.js', import.meta.url)
const project = new URL('..', import.meta.url)
if (!existsSync(fileURLToPath(entry))) {
  console.error('import time: dist/index.js is missing; run `npm run build` first')
  process.exit(1)
}

let interrupted = 0
const empty: number[] = []
const root: number[] = []
const peer: number[] = []
// Interleaved, so that a slow moment of the machine falls on all; the first round only warms the file cache.
for (let i = 0; i <= mostPairs; i++) {
  const without = elapsedMs('')
  const withRoot = elapsedMs(`await import(${JSON.stringify(entry.href)})`)
  const withPeer = elapsedMs("await import('reflect-metadata'); await import('@peculiar/x509')")
  if (i === 0) continue
  empty.push(without)
  root.push(withRoot)
  peer.push(withPeer)
  if (i >= pairs && extraMs(root) <= allowedMs()) break
}
const extra = extraMs(root)
console.log(
  `import time: root ` +
    `${Math.min(...root).toFixed(1)} ms, empty process ` +
    `${Math.min(...empty).toFixed(1)} ms (medians ` +
    `${median(root).toFixed(1)} and ${median(empty).toFixed(1)}), ` +
    `extra ${extra.toFixed(1)} ms, ${(extra / extraMs(peer)).toFixed(2)} of @peculiar/x509 ` +
    `(limit ${limitMs} ms, ${allowedMs().toFixed(1)} ms on this machine; ` +
    `${root.length} pairs, Node ${process.version})`,
)
if (!(extra <= allowedMs())) {
  console.error(
    'import time: the root takes longer than it may; each module that it reaches costs Node 20 some 0.4 ms',
  )
  process.exitCode = 1
}

function extraMs(times: readonly number[]): number {
  return Math.min(...times) - Math.min(...empty)
}

function allowedMs(): number {
  return limitMs * Math.max(1, extraMs(peer) / peerThereMs)
}

function elapsedMs(code: string): number {
  const start = performance.now()
  const { status, signal, error, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: project,
    encoding: 'utf8',
  })
  const elapsed = performance.now() - start
  if (status === 0) return elapsed
  // No exit code: the machine ended it, or had no room to start it. That says nothing of the package; an exit
  // code does.
  const what =
    status === null
      ? `did not run to its end (${error?.message ?? signal ?? 'unknown'})`
      : `failed with exit code ${status}: ${stderr}`
  if (status !== null || ++interrupted > mostInterrupted) throw new Error(`a Node process ${what}`)
  console.log(`import time: a Node process ${what}; once more`)
  return elapsedMs(code)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}
