// Adds up vitest's JSON reports: `summary.mjs NAME=FILE... -- FAILED_GATE...`. Exits non-zero on any failure.

import { readFileSync } from 'node:fs'

const split = process.argv.indexOf('--')
const reports = process.argv.slice(2, split)
const failedGates = process.argv.slice(split + 1)
let passed = 0
let failed = 0
for (const report of reports) {
  const [name, file] = report.split('=', 2)
  const run = { passed: 0, failed: 0, skipped: 0 }
  try {
    for (const { status, assertionResults } of JSON.parse(readFileSync(file, 'utf8')).testResults) {
      const count = (wanted) => assertionResults.filter((result) => result.status === wanted).length
      run.passed += count('passed')
      run.failed += count('failed')
      run.skipped += assertionResults.length - count('passed') - count('failed')
      // A file that fails before its tests run has no failed test to count.
      if (status === 'failed' && count('failed') === 0) run.failed++
    }
  } catch (error) {
    console.log(`${name}: no report (${error.message})`)
    run.failed++
  }
  // The runner failed and no test did: an error outside of any test.
  if (failedGates.includes(name) && run.failed === 0) run.failed++
  console.log(`${name}: ${run.passed} passed, ${run.failed} failed, ${run.skipped} skipped`)
  passed += run.passed
  failed += run.failed
}
const tests = new Set(reports.map((report) => report.split('=', 1)[0]))
failed += failedGates.filter((gate) => !tests.has(gate)).length
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
