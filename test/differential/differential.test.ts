// Second and third opinions over generated and mutated certificates, requests and CRLs.

import { describe, expect, it } from 'vitest'
import { runDifferential } from './differential.ts'
import type { Finding } from './differential.ts'
import { requires } from '../support/requires.ts'

const runs = Number(process.env['SPIFFE_PKI_DIFFERENTIAL_RUNS'] ?? 2000)
const seed = Number(process.env['SPIFFE_PKI_DIFFERENTIAL_SEED'] ?? 1)

describe.skipIf(!requires('openssl'))('other opinions', () => {
  it(`over ${runs} cases differ only where a clause says why`, { timeout: 300_000 }, async () => {
    const report = await runDifferential(runs, seed)
    expect(report.alone.map(summary), 'accepted by us alone').toEqual([])
    expect(report.unexplained.map(summary), 'disagreements without an explanation').toEqual([])
    // The generator has to make cases of every kind that are accepted, or the comparison says nothing.
    for (const question of ['leaf', 'server', 'request', 'list'])
      expect(report.tally[question]?.['ours'], question).toBeGreaterThan(runs / 200)
  })
})

function summary({ who, direction, question, reason, run, der }: Finding): string {
  return `run ${run}, ${question}: ${direction} than ${who}: ${reason} (${der})`
}
